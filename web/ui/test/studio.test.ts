import { expect, test } from 'vitest';
import { loudness } from '../src/pages/studio/level.ts';
import { pointsOf } from '../src/pages/studio/sparkline.ts';

const wave = (loud: number) => Float32Array.from({ length: 2048 }, (_, i) => loud * (i % 2 === 0 ? 1 : -1));

test.each([
  ['nothing', 0, 0],
  ['the noise of a converter', 0.0005, 0],
  ['a voice', 0.0316, 0.5],
  ['as loud as it goes', 1, 1],
])('%s is as loud as it seems', (_name, loud, want) => {
  expect(loudness(wave(loud))).toBeCloseTo(want, 2);
});

test('no samples are silent', () => {
  expect(loudness(new Float32Array(0))).toBe(0);
});

test('a line through round trips begins at zero and fills its place', () => {
  expect(pointsOf([10, 20, 5], 100, 20)).toBe('0,10 50,0 100,15');
  expect(pointsOf([0, 0], 100, 20)).toBe('0,20 100,20');
  expect(pointsOf([], 100, 20)).toBe('');
});
