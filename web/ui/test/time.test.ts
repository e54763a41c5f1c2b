import { expect, test } from 'vitest';
import { axisTime, clockTime, dayOf, fieldTime, fullTime, secondsLeft, timeCode, timeLeft } from '../src/parts/time.ts';

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

test.each([
  [14_001, '15\u00a0s'],
  [119_000, '119\u00a0s'],
  [119_001, '2:00'],
  [599_500, '10:00'],
])('%i ms before the end, %s are left', (ms, want) => {
  expect(timeLeft(1_000_000 + ms, 1_000_000)).toBe(want);
});

test('a time has as much in front of it as it takes to know the day', () => {
  const now = new Date(2026, 5, 15, 12, 0).getTime();
  const [today, thisYear, next] = [new Date(2026, 5, 15, 9, 5), new Date(2026, 0, 2, 9, 5), new Date(2031, 0, 2, 9, 5)].map(Number);
  expect(clockTime(today!, now)).not.toContain('15');
  expect(clockTime(thisYear!, now)).not.toContain('2026');
  expect(clockTime(next!, now)).toContain('2031');
  expect(fullTime(thisYear!)).toContain('2026');
});

test('a time beside a curve is no finer than the curve, and says the day where one begins', () => {
  const at = new Date(2026, 5, 15, 9, 5, 7).getTime();
  expect(axisTime(at, 15_000)).toContain('07');
  expect(axisTime(at, 60_000)).not.toContain('07');
  expect(axisTime(dayOf(at), 3_600_000)).toContain('15');
  expect(axisTime(at, 3_600_000)).not.toContain('15');
});

test('a day begins at midnight here', () => {
  const at = new Date(2026, 5, 15, 23, 59, 59, 999).getTime();
  expect(new Date(dayOf(at)).toString()).toBe(new Date(2026, 5, 15).toString());
  expect(dayOf(at + 1)).toBe(at + 1);
});

test('a field has a time of this place, to the minute', () => {
  const at = new Date(2026, 0, 2, 9, 5, 59).getTime();
  expect(fieldTime(at)).toBe('2026-01-02T09:05');
  expect(new Date(fieldTime(at)).getTime()).toBe(at - 59_000);
});
