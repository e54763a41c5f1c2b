import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { Batch } from '../src/directory/batch.ts';

beforeEach(() => {
  vi.useFakeTimers();
  vi.stubGlobal('requestAnimationFrame', (run: () => void) => setTimeout(run, 16));
  vi.stubGlobal('cancelAnimationFrame', clearTimeout);
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

test('thousands of requests are one run, with the next frame', () => {
  const run = vi.fn();
  const batch = new Batch(run);
  for (let i = 0; i < 5_000; i++) batch.request();
  expect(run).not.toHaveBeenCalled();
  vi.advanceTimersByTime(17);
  expect(run).toHaveBeenCalledTimes(1);
  vi.advanceTimersByTime(1_000);
  expect(run).toHaveBeenCalledTimes(1);
  batch.request();
  vi.advanceTimersByTime(17);
  expect(run).toHaveBeenCalledTimes(2);
});

test('where no frames are drawn it runs after a quarter of a second', () => {
  vi.stubGlobal('requestAnimationFrame', () => undefined);
  const run = vi.fn();
  new Batch(run).request();
  vi.advanceTimersByTime(249);
  expect(run).not.toHaveBeenCalled();
  vi.advanceTimersByTime(1);
  expect(run).toHaveBeenCalledTimes(1);
});

test('what was cancelled does not run, and what was flushed runs once', () => {
  const run = vi.fn();
  const batch = new Batch(run);
  batch.request();
  batch.cancel();
  vi.advanceTimersByTime(1_000);
  expect(run).not.toHaveBeenCalled();
  batch.request();
  batch.flush();
  vi.advanceTimersByTime(1_000);
  expect(run).toHaveBeenCalledTimes(1);
});
