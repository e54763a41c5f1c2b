import { expect, test } from 'vitest';
import { secondsLeft, timeCode } from '../src/parts/time.ts';

test.each([
  [0, '0:00'],
  [999, '0:00'],
  [61_000, '1:01'],
  [3_599_999, '59:59'],
  [3_600_000, '1:00:00'],
  [90_061_000, '25:01:01'],
  [-5000, '0:00'],
])('%i ms is %s', (ms, want) => {
  expect(timeCode(ms)).toBe(want);
});

test.each([
  [15_000, 15],
  [14_001, 15],
  [1, 1],
  [0, 0],
  [-1, 0],
])('%i ms before the end, %i seconds are left', (ms, want) => {
  expect(secondsLeft(1_000_000 + ms, 1_000_000)).toBe(want);
});
