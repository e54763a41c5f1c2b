import { expect, test } from 'vitest';
import { EventStreamParser } from '../src/api/sse.ts';

const stream = 'id: 7\nevent: change\ndata: {"a":1}\n\n: ping\n\nevent: viewers\ndata: one\ndata: two\n\ndata:bare\r\n\r\n';
const want = [
  { event: 'change', data: '{"a":1}', id: '7' },
  { event: 'viewers', data: 'one\ntwo', id: '7' },
  { event: 'message', data: 'bare', id: '7' },
];

test('events, comments, several data lines, carriage returns', () => {
  expect(new EventStreamParser().push(stream)).toEqual(want);
});

test('pieces may end anywhere', () => {
  const parser = new EventStreamParser();
  expect([...stream].flatMap((character) => parser.push(character))).toEqual(want);
});

test('an event without its empty line is not complete', () => {
  const parser = new EventStreamParser();
  expect(parser.push('data: half\n')).toEqual([]);
  expect(parser.push('\n')).toHaveLength(1);
});
