import { expect, test } from 'vitest';
import type { LiveRow } from '../src/api/request.ts';
import { LiveRows } from '../src/directory/rows.ts';

function row(n: number, more: Partial<LiveRow> = {}): LiveRow {
  return {
    broadcast: `b${n}`,
    streamer: { id: `s${n}`, name: `Streamer ${n}` },
    room: `r${n}`,
    state: 'live',
    title: '',
    category: n % 2 === 0 ? 'art' : 'music',
    language: 'en',
    tags: [],
    started_at: '2026-01-31T12:00:00.000Z',
    viewers: n,
    peak_viewers: n,
    ...more,
  };
}

function recount(rows: LiveRows) {
  const all = [...rows.values()];
  return {
    live: all.filter(({ state }) => state === 'live').length,
    reconnecting: all.filter(({ state }) => state === 'reconnecting').length,
    viewers: all.reduce((sum, { viewers }) => sum + viewers, 0),
  };
}

test('what is summed up stays what a count of all rows gives, through thousands of changes', () => {
  const rows = new LiveRows();
  rows.reset(Array.from({ length: 10_000 }, (_, n) => row(n)));
  for (let n = 0; n < 12_000; n++) {
    const event = n % 5 === 0 ? 'live.ended' : n % 3 === 0 ? 'live.reconnecting' : 'live.updated';
    const state = event === 'live.reconnecting' ? 'reconnecting' : 'live';
    rows.change({ event, version: 2, row: row(n, { state, viewers: n % 7, category: n < 11_000 ? 'games' : '' }) });
  }
  rows.count(Array.from({ length: 12_000 }, (_, n) => ({ broadcast: `b${n}`, viewers: n % 11, peak_viewers: n })));
  expect(rows.size).toBe(9_600);
  expect(rows.totals).toEqual(recount(rows));
  expect(rows.categories).toEqual(['games']);
});

test('a late or repeated change is none, and brings nothing back that has ended', () => {
  const rows = new LiveRows();
  rows.reset([]);
  expect(rows.change({ event: 'live.started', version: 1, row: row(1) })).toBe(true);
  expect(rows.change({ event: 'live.updated', version: 3, row: row(1, { title: 'new' }) })).toBe(true);
  expect(rows.change({ event: 'live.updated', version: 2, row: row(1, { title: 'old' }) })).toBe(false);
  expect(rows.get('b1')?.title).toBe('new');
  expect(rows.change({ event: 'live.ended', version: 4, row: row(1) })).toBe(true);
  expect(rows.change({ event: 'live.updated', version: 4, row: row(1) })).toBe(false);
  expect(rows.size).toBe(0);
});

test('what changes in a row makes another one of it; what does not leaves it', () => {
  const rows = new LiveRows();
  rows.reset([row(1), row(2)]);
  const [one, two] = [rows.get('b1'), rows.get('b2')];
  const { version, membership } = rows;
  rows.count([{ broadcast: 'b1', viewers: 9, peak_viewers: 9 }, { broadcast: 'b2', viewers: 2, peak_viewers: 2 }, { broadcast: 'b3', viewers: 1, peak_viewers: 1 }]);
  expect(rows.get('b1')).toEqual({ ...one, viewers: 9, peak_viewers: 9 });
  expect(one?.viewers).toBe(1);
  expect(rows.get('b2')).toBe(two);
  expect(rows.version).toBe(version + 1);
  expect(rows.membership).toBe(membership);
});

test('a room has the broadcast that runs there now', () => {
  const rows = new LiveRows();
  rows.reset([row(1)]);
  rows.change({ event: 'live.started', version: 1, row: row(2, { room: 'r1' }) });
  rows.change({ event: 'live.ended', version: 2, row: row(1) });
  expect(rows.in('r1')?.broadcast).toBe('b2');
  rows.change({ event: 'live.ended', version: 2, row: row(2, { room: 'r1' }) });
  expect(rows.in('r1')).toBeUndefined();
});

test('a snapshot replaces everything, and versions begin anew', () => {
  const rows = new LiveRows();
  rows.reset([row(1), row(2)]);
  rows.change({ event: 'live.updated', version: 7, row: row(1) });
  rows.reset([row(1)]);
  expect(rows.change({ event: 'live.updated', version: 1, row: row(1, { title: 'as the node says now' }) })).toBe(true);
  expect(rows.totals).toEqual({ live: 1, reconnecting: 0, viewers: 1 });
});
