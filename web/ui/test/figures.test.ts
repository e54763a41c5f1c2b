import { expect, test } from 'vitest';
import type { BroadcastRecord } from '../src/api/broadcasts.ts';
import { curveOf, lastedMs, watchedCode } from '../src/pages/admin/broadcasts/figures.ts';

const record: BroadcastRecord = {
  id: '1',
  streamer: { id: 'alice' },
  room: 'demo',
  state: 'ended',
  title: '',
  category: '',
  language: '',
  tags: [],
  started_at: '2026-01-31T12:00:00.000Z',
  ended_at: '2026-01-31T12:10:00.000Z',
  peak_viewers: 3,
  unique_viewers: 4,
  watch_seconds: 3725,
};

test('a broadcast lasted until it ended, and one that runs until now', () => {
  const now = Date.parse('2026-01-31T12:00:30.000Z');
  expect(lastedMs(record, now)).toBe(600_000);
  expect(lastedMs({ ...record, ended_at: null }, now)).toBe(30_000);
});

test('how long was watched is not made up where nobody counted', () => {
  expect(watchedCode(record)).toBe('1:02:05');
  expect(watchedCode({ ...record, watch_seconds: 0 })).toBe('0:00');
  expect(watchedCode({ ...record, watch_seconds: null })).toBe('');
});

test('the curve has a point for each minute', () => {
  const viewers = [
    { at: '2026-01-31T12:00:00.000Z', viewers: 2 },
    { at: '2026-01-31T12:01:00.000Z', viewers: 9 },
  ];
  expect(curveOf({ ...record, viewers })).toEqual({ times: viewers.map(({ at }) => Date.parse(at)), values: [2, 9], peak: 9 });
  expect(curveOf(record)).toEqual({ times: [], values: [], peak: 0 });
});
