import { expect, test } from 'vitest';
import { Backoff } from '../src/backoff.ts';

test('the bound doubles from the base up to the cap', () => {
  const backoff = new Backoff({ baseMs: 500, capMs: 30_000, random: () => 0.999999 });
  const bounds = Array.from({ length: 9 }, () => backoff.next() + 1);
  expect(bounds).toEqual([500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000]);
});

test('all of the range is random', () => {
  const none = new Backoff({ random: () => 0 });
  expect([none.next(), none.next(), none.next()]).toEqual([0, 0, 0]);
});

test('a server that asks for patience gets it, and the jitter on top', () => {
  const backoff = new Backoff({ random: () => 0.5 });
  expect(backoff.next(5000)).toBe(5250);
});

test('after a reset the delays are short again', () => {
  const backoff = new Backoff({ random: () => 0.5 });
  for (let i = 0; i < 100; i++) backoff.next();
  expect(backoff.next()).toBe(15_000);
  backoff.reset();
  expect(backoff.next()).toBe(250);
});

// ---- spread: ten thousand that lost a node together

/** Evenly distributed numbers, always the same: mulberry32. */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

const clients = 10_000;

/** The n-th delay of each of the clients. */
function delays(attempt: number, atLeastMs = 0, capMs?: number): number[] {
  const random = seeded(71);
  return Array.from({ length: clients }, () => {
    const backoff = new Backoff({ random });
    for (let i = 0; i < attempt; i++) backoff.next();
    return backoff.next(atLeastMs, capMs);
  });
}

/** How many fall into each tenth of the range, from `from` up to but without `to`. */
function tenths(values: number[], from: number, to: number): number[] {
  const counts = Array.from({ length: 10 }, () => 0);
  for (const value of values) counts[Math.floor(((value - from) / (to - from)) * 10)]!++;
  return counts;
}

/** Pearson's χ² of counts that should be all the same. */
function chiSquare(counts: number[]): number {
  const expected = clients / counts.length;
  return counts.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
}

/** With nine degrees of freedom, even draws are above this once in a thousand times (and the draws here are always the same). */
const oneInAThousand = 27.88;

test.each([
  [0, 500],
  [1, 1_000],
  [3, 4_000],
  [6, 30_000],
  [40, 30_000],
])('delay %i is spread evenly over all of its %i ms', (attempt, bound) => {
  const drawn = delays(attempt);
  expect(Math.min(...drawn)).toBeGreaterThanOrEqual(0);
  expect(Math.max(...drawn)).toBeLessThan(bound);
  const counts = tenths(drawn, 0, bound);
  expect(chiSquare(counts), `tenths: ${counts}`).toBeLessThan(oneInAThousand);
});

test.each([0, 3, 40])('whoever is asked to wait waits, and delay %i is spread behind that', (attempt) => {
  const bound = Math.min(30_000, 500 * 2 ** attempt);
  const drawn = delays(attempt, 7_000);
  expect(Math.min(...drawn)).toBeGreaterThanOrEqual(7_000);
  expect(Math.max(...drawn)).toBeLessThan(7_000 + bound);
  const counts = tenths(drawn, 7_000, 7_000 + bound);
  expect(chiSquare(counts), `tenths: ${counts}`).toBeLessThan(oneInAThousand);
});

test('who is in a hurry has a range of its own, and is spread over it as well', () => {
  const counts = tenths(delays(40, 0, 3_000), 0, 3_000);
  expect(chiSquare(counts), `tenths: ${counts}`).toBeLessThan(oneInAThousand);
});

test('who came back to the same node spreads over a tenth of a second', () => {
  const random = seeded(71);
  const drawn = Array.from({ length: clients }, () => new Backoff({ random }).short());
  expect(chiSquare(tenths(drawn, 0, 100))).toBeLessThan(oneInAThousand);
});

test('the crowd does not come back in steps: no millisecond is hit much more often than others', () => {
  const perMs = new Map<number, number>();
  for (const delay of delays(0)) perMs.set(delay, (perMs.get(delay) ?? 0) + 1);
  // 20 in the mean; of 500 even draws of that kind, none is above 50.
  expect(Math.max(...perMs.values())).toBeLessThan(50);
});
