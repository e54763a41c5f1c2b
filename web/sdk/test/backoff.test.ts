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
