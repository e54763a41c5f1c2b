import { expect, test } from 'vitest';
import { fall, loudness, windowOf } from '../src/pages/studio/level.ts';
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

test('a meter jumps up at once and needs 1.7 s to fall 20 decibels', () => {
  expect(fall(0.2, 0.8)).toBe(0.8);
  let shown = 0.8;
  for (let ms = 0; ms < 1700; ms += 100) shown = fall(shown, 0);
  expect(shown).toBeCloseTo(0.8 - 20 / 60, 5);
});

test('a meter falls no lower than what is heard', () => {
  expect(fall(0.5, 0.499)).toBe(0.499);
  expect(fall(0, 0)).toBe(0);
});

test.each([8_000, 44_100, 48_000, 192_000])('at %i samples a second, all of a tenth of a second are looked at', (rate) => {
  const samples = windowOf(rate);
  expect(samples).toBeGreaterThan(rate / 10);
  expect(samples, 'what an analyser takes').toBeLessThanOrEqual(32_768);
  expect(Math.log2(samples) % 1).toBe(0);
});

test('a line through round trips begins at zero and fills its place', () => {
  expect(pointsOf([10, 20, 5], 100, 20)).toBe('0,10 50,0 100,15');
  expect(pointsOf([0, 0], 100, 20)).toBe('0,20 100,20');
  expect(pointsOf([], 100, 20)).toBe('');
});
