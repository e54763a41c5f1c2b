import { expect, test } from 'vitest';
import type { LiveRow } from '../src/api/request.ts';
import { LiveRows } from '../src/directory/rows.ts';
import { Order, settleMs } from '../src/pages/admin/live/order.ts';
import { comparing, matching, sortAfter, type Filter, type Sort } from '../src/pages/admin/live/sort.ts';

const all: Filter = { words: '', state: '', category: '' };
const mostViewers: Sort = { column: 'viewers', descending: true };

function row(name: string, viewers: number, more: Partial<LiveRow> = {}): LiveRow {
  return {
    broadcast: name,
    streamer: { id: `id-${name}`, name },
    room: `room-${name}`,
    state: 'live',
    title: `The title of ${name}`,
    category: 'art',
    language: 'en',
    tags: ['ink', 'calm'],
    started_at: '2026-01-31T12:00:00.000Z',
    viewers,
    peak_viewers: viewers,
    ...more,
  };
}

/** A list of who is live, and what a table shows of it. */
function table(rows: LiveRow[], sort = mostViewers, filter = all) {
  const live = new LiveRows();
  live.reset(rows);
  const order = new Order(sort, filter);
  let now = 0;
  return {
    live,
    order,
    shown: () => order.rows.map(({ broadcast }) => broadcast).join(' '),
    follow: (ms = 0, held = false) => order.follow(live, (now += ms), held),
    count: (broadcast: string, viewers: number) => live.count([{ broadcast, viewers, peak_viewers: viewers }]),
    come: (name: string, viewers: number) => live.change({ event: 'live.started', version: 1, row: row(name, viewers) }),
    go: (name: string) => live.change({ event: 'live.ended', version: 9, row: row(name, 0) }),
  };
}

test('the order follows the values every two seconds, and not more often', () => {
  const t = table([row('a', 3), row('b', 2), row('c', 1)]);
  t.follow();
  expect(t.shown()).toBe('a b c');
  t.count('c', 10);
  expect(t.follow(settleMs - 1)).toBe(false);
  expect(t.shown()).toBe('a b c');
  expect(t.follow(1)).toBe(true);
  expect(t.shown()).toBe('c a b');
  expect(t.follow(settleMs)).toBe(false);
});

test('who comes is put where they belong at once, who goes is gone at once', () => {
  const t = table([row('a', 30), row('b', 20), row('c', 10)]);
  t.follow();
  t.come('d', 15);
  t.go('a');
  expect(t.follow(1)).toBe(true);
  expect(t.shown()).toBe('b d c');
});

test('while it is held no row moves', () => {
  const t = table([row('a', 3), row('b', 2), row('c', 1)]);
  t.follow();
  t.count('c', 10);
  t.come('d', 100);
  t.go('a');
  expect(t.follow(10 * settleMs, true)).toBe(true);
  expect(t.shown()).toBe('a b c d');
  expect(t.follow(0, true)).toBe(false);
  expect(t.follow(1, false)).toBe(true);
  expect(t.shown()).toBe('d c b');
});

test('who went while it was held is gone with the end of that, though nothing is due', () => {
  const t = table([row('a', 3), row('b', 2)]);
  t.follow();
  t.go('a');
  t.follow(1, true);
  expect(t.shown()).toBe('a b');
  expect(t.follow(1, false)).toBe(true);
  expect(t.shown()).toBe('b');
});

test('another sort or filter counts at once, held or not', () => {
  const t = table([row('a', 3), row('b', 2, { category: 'games' }), row('c', 1)]);
  t.follow();
  t.order.set({ column: 'streamer', descending: true }, all);
  expect(t.follow(1, true)).toBe(true);
  expect(t.shown()).toBe('c b a');
  t.order.set(mostViewers, { ...all, category: 'art' });
  t.follow(1, true);
  expect(t.shown()).toBe('a c');
});

test('whose category changes leaves a filter for it with the next settling', () => {
  const t = table([row('a', 3), row('b', 2)], mostViewers, { ...all, category: 'art' });
  t.follow();
  t.live.change({ event: 'live.updated', version: 2, row: row('a', 3, { category: 'music' }) });
  t.follow(settleMs);
  expect(t.shown()).toBe('b');
});

test('ten thousand rows, and thousands of changes: shown is what a sort of everything gives', () => {
  const t = table(Array.from({ length: 10_000 }, (_, n) => row(`b${n}`, (n * 7919) % 10_007)));
  t.follow();
  for (let n = 0; n < 3_000; n++) {
    t.count(`b${n * 3}`, (n * 31) % 5_003);
    if (n % 3 === 0) t.go(`b${n}`);
    if (n % 10 === 0) t.come(`new${n}`, n);
    if (n % 100 === 0) t.follow(20);
  }
  t.follow(settleMs);
  expect(t.order.rows).toEqual([...t.live.values()].sort(comparing(mostViewers)));
});

test.each<[Filter['words'], boolean]>([
  ['', true],
  ['ANA', true],
  ['ana ink', true],
  ['ana zebra', false],
  ['room-ana en', true],
])('the words “%s” are found: %s', (words, want) => {
  expect(matching({ ...all, words })(row('Ana', 1))).toBe(want);
});

test('state and category are filtered exactly', () => {
  const { length } = [row('a', 1), row('b', 1, { state: 'reconnecting' })].filter(matching({ ...all, state: 'reconnecting', category: 'art' }));
  expect(length).toBe(1);
  expect(matching({ ...all, category: 'ar' })(row('a', 1))).toBe(false);
});

test.each<[Sort, string]>([
  [{ column: 'streamer', descending: false }, 'b2 b10'],
  [{ column: 'viewers', descending: true }, 'b10 b2'],
  [{ column: 'onAirFor', descending: true }, 'b10 b2'],
  [{ column: 'state', descending: true }, 'b2 b10'],
])('sorted by %o', (sort, want) => {
  const rows = [row('b10', 5, { started_at: '2026-01-31T11:00:00.000Z' }), row('b2', 4, { state: 'reconnecting' })];
  expect(rows.sort(comparing(sort)).map(({ broadcast }) => broadcast).join(' ')).toBe(want);
});

test('a click on a head sorts by it: amounts by the most, words from their beginning; another click turns it round', () => {
  expect(sortAfter('peak', mostViewers)).toEqual({ column: 'peak', descending: true });
  expect(sortAfter('title', mostViewers)).toEqual({ column: 'title', descending: false });
  expect(sortAfter('viewers', mostViewers)).toEqual({ column: 'viewers', descending: false });
});
