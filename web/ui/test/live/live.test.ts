import { expect, test } from 'vitest';
import type { LiveRow } from '../../src/api/request.ts';
import { Order, settleMs } from '../../src/pages/live/order.ts';
import { categoriesOf, matcher, queryWith, wantedIn } from '../../src/pages/live/wanted.ts';

const row = (name: string, more: Partial<LiveRow> = {}): LiveRow => ({
  broadcast: `b-${name}`,
  streamer: { id: name, name: name.toUpperCase() },
  room: name,
  state: 'live',
  title: '',
  category: '',
  language: '',
  tags: [],
  started_at: '2026-01-31T12:00:00Z',
  viewers: 0,
  peak_viewers: 0,
  ...more,
});
const rooms = (rows: readonly LiveRow[]) => rows.map(({ room }) => room).join(' ');

test('every word must be somewhere, in whatever case and with or without accents', () => {
  const zoe = row('zoe', { title: 'Morning sketches', streamer: { id: 'u1', name: 'Zoë Müller' }, category: 'Art', tags: ['ink', 'calm'] });
  const finds = (q: string) => matcher({ q, category: '' })(zoe);
  expect(['', '  ', 'zoe', 'ZOË', 'muller', 'sketch', 'ink zoe', 'u1', 'art'].map(finds)).toEqual(Array(9).fill(true));
  expect(['bob', 'ink bob', 'inkcalm'].map(finds)).toEqual([false, false, false]);
});

test('categories are one however they are written, and count how often they are', () => {
  const rows = [row('a', { category: 'Art' }), row('b', { category: 'art ' }), row('c', { category: 'Games' }), row('d')];
  expect(categoriesOf(rows)).toEqual([
    { key: 'art', name: 'Art', count: 2 },
    { key: 'games', name: 'Games', count: 1 },
  ]);
  expect(categoriesOf(rows.toReversed())[0]?.name, 'in whatever order they come').toBe('Art');
  expect(rooms(rows.filter(matcher({ q: '', category: 'art' })))).toBe('a b');
});

test('what is looked for goes into the address and comes back; what else is there stays', () => {
  expect(wantedIn('?q=ink+%26+pen&category=Art')).toEqual({ q: 'ink & pen', category: 'art' });
  expect(wantedIn('')).toEqual({ q: '', category: '' });
  expect(queryWith('?x=1&q=old', { q: ' ink & pen ', category: 'art' })).toBe('?x=1&q=ink+%26+pen&category=art');
  expect(queryWith('?category=art&x=1', { q: 'ink', category: 'art' }), 'one choice has one address').toBe('?x=1&q=ink&category=art');
  expect(queryWith('?q=old&category=art', { q: '', category: '' })).toBe('');
});

test('the order is by viewers, and stays for a while although they change', () => {
  const order = new Order();
  expect(rooms(order.arrange([row('a', { viewers: 1 }), row('b', { viewers: 5 })], 0, false))).toBe('b a');
  const later = [row('a', { viewers: 9 }), row('b', { viewers: 5 }), row('c', { viewers: 7 })];
  const soon = order.arrange(later, settleMs - 1, false);
  expect(rooms(soon), 'what is new comes last').toBe('b a c');
  expect(soon[1]?.viewers, 'the counts are the newest').toBe(9);
  expect(rooms(order.arrange(later, settleMs, false))).toBe('a c b');
});

test('nothing moves under the pointer: what ends keeps its place until it is gone', () => {
  const order = new Order();
  order.arrange([row('a', { viewers: 3 }), row('b', { viewers: 2 }), row('c', { viewers: 1 })], 0, false);
  const held = order.arrange([row('c', { viewers: 99 }), row('b')], 100 * settleMs, true);
  expect(rooms(held)).toBe('a b c');
  expect(held.map(({ over }) => over)).toEqual([true, undefined, undefined]);
  expect(rooms(order.arrange([row('c', { viewers: 99 }), row('b')], 100 * settleMs, false))).toBe('c b');
});

test('what ends goes at once when nobody points, without moving the others', () => {
  const order = new Order();
  order.arrange([row('a', { viewers: 3 }), row('b', { viewers: 2 }), row('c', { viewers: 1 })], 0, false);
  expect(rooms(order.arrange([row('c', { viewers: 9 }), row('b')], 1, false))).toBe('b c');
});

test('something else that is looked for is sorted at once', () => {
  const order = new Order();
  order.arrange([row('a', { viewers: 3 }), row('b', { viewers: 2 })], 0, false);
  order.reset();
  expect(rooms(order.arrange([row('b', { viewers: 2 }), row('c', { viewers: 8 })], 1, false))).toBe('c b');
});
