import { expect, test } from 'vitest';
import { Curve } from '../src/pages/studio/curve.ts';

test('what comes too soon is made one with the last point, the higher of both', () => {
  const curve = new Curve(1_000);
  curve.add(10_000, 3);
  curve.add(10_400, 5);
  curve.add(10_800, 1);
  curve.add(11_000, 2);
  expect(curve.times).toEqual([10_000, 11_000]);
  expect(curve.values).toEqual([5, 2]);
});

test('where nothing is known there is a gap, and no zero', () => {
  const curve = new Curve(1_000);
  curve.add(0, 4);
  curve.add(1_000, null);
  curve.add(1_500, null);
  curve.add(2_000, 4);
  expect(curve.values).toEqual([4, null, 4]);
  expect(curve.peak).toBe(4);
});

test('a long curve stays small, in order, and keeps its peaks', () => {
  const curve = new Curve(1_000, 10);
  for (let second = 0; second < 1_000; second++) curve.add(second * 1_000, second === 137 ? 99 : 7);
  expect(curve.times.length).toBeLessThanOrEqual(10);
  expect(curve.times.length).toBe(curve.values.length);
  expect(curve.times).toEqual([...curve.times].sort((a, b) => a - b));
  expect(curve.times[0]).toBe(0);
  expect(Math.max(...curve.values.map(Number))).toBe(99);
  expect(curve.peak).toBe(99);
});

test('a clock that is set back makes no loop', () => {
  const curve = new Curve(1_000);
  curve.add(50_000, 1);
  curve.add(20_000, 2);
  curve.add(51_000, 3);
  expect(curve.times).toEqual([50_000, 51_000]);
});
