import { expect, test } from 'vitest';
import { peakOf, Samples } from '../src/pages/admin/live/samples.ts';

test('a day of samples stays within its bound, begins where it began, and keeps its peak', () => {
  const samples = new Samples(2_000, 2, 100);
  for (let ms = 0; ms < 86_400_000; ms += 2_000) samples.add(ms, [ms === 10_000 ? 999 : 1, null]);
  const { times, curves } = samples;
  expect(times.length).toBeLessThanOrEqual(100);
  expect(times.length).toBeGreaterThan(40);
  expect(curves.map(({ length }) => length)).toEqual([times.length, times.length]);
  expect(times[0]).toBe(0);
  expect(times.at(-1)).toBeGreaterThan(86_400_000 * 0.95);
  expect(times).toEqual(times.toSorted((a, b) => a - b));
  const gaps = times.slice(1).map((time, i) => time - times[i]!);
  expect(Math.max(...gaps), 'the past is as fine as the present').toBeLessThanOrEqual(2 * Math.min(...gaps));
  expect(peakOf(curves[0]!)).toBe(999);
  expect(peakOf(curves[1]!)).toBe(0);
});

test('what comes too early is not taken, what comes a little early is', () => {
  const samples = new Samples(1_000, 1);
  expect([0, 500, 950, 1_500, 2_000].map((ms) => samples.add(ms, [1]))).toEqual([true, false, true, false, true]);
});

test('what was not known stays unknown, unless its neighbour was', () => {
  const samples = new Samples(1, 1, 4);
  [null, 3, null, null, 7].forEach((value, ms) => samples.add(ms, [value]));
  expect(samples.times).toEqual([0, 2, 4]);
  expect(samples.curves[0]).toEqual([3, null, 7]);
});
