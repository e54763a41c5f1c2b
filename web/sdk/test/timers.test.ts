import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { newTimers, PlainTimers, WorkerTimers } from '../src/timers.ts';

/** A worker whose messages the test sees and sends. */
class FakeWorker {
  static last: FakeWorker;
  readonly posted: unknown[] = [];
  terminated = false;
  onmessage: ((event: { data: number }) => void) | null = null;
  onerror: (() => void) | null = null;

  constructor() {
    FakeWorker.last = this;
  }
  postMessage(message: unknown): void {
    this.posted.push(message);
  }
  terminate(): void {
    this.terminated = true;
  }
}

beforeEach(() => {
  vi.useFakeTimers();
  vi.stubGlobal('Worker', FakeWorker);
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

test('a worker keeps the time', () => {
  const timers = new WorkerTimers();
  const fn = vi.fn();
  timers.after(50_000, fn);
  expect(FakeWorker.last.posted).toEqual([{ id: 1, ms: 50_000 }]);
  FakeWorker.last.onmessage?.({ data: 1 });
  FakeWorker.last.onmessage?.({ data: 1 });
  expect(fn).toHaveBeenCalledTimes(1);
});

test('a cancelled timer stays silent, even when its message is under way', () => {
  const timers = new WorkerTimers();
  const fn = vi.fn();
  timers.after(1000, fn)();
  expect(FakeWorker.last.posted).toEqual([{ id: 1, ms: 1000 }, { id: 1 }]);
  FakeWorker.last.onmessage?.({ data: 1 });
  expect(fn).not.toHaveBeenCalled();
});

test('a worker that is forbidden is replaced, and what was waiting still comes', () => {
  const timers = new WorkerTimers();
  const [waiting, cancelled, late] = [vi.fn(), vi.fn(), vi.fn()];
  timers.after(1000, waiting);
  const cancel = timers.after(1000, cancelled);
  vi.advanceTimersByTime(400);
  FakeWorker.last.onerror?.();
  cancel();
  timers.after(100, late);
  vi.advanceTimersByTime(100);
  expect(late).toHaveBeenCalledTimes(1);
  expect(waiting).not.toHaveBeenCalled();
  vi.advanceTimersByTime(500);
  expect(waiting).toHaveBeenCalledTimes(1);
  expect(cancelled).not.toHaveBeenCalled();
});

test('closed timers are silent', () => {
  const [plain, worker] = [new PlainTimers(), new WorkerTimers()];
  const fn = vi.fn();
  plain.after(10, fn);
  worker.after(10, fn);
  plain.close();
  worker.close();
  vi.advanceTimersByTime(100);
  FakeWorker.last.onmessage?.({ data: 1 });
  expect(fn).not.toHaveBeenCalled();
  expect(FakeWorker.last.terminated).toBe(true);
});

test('outside of a page the timers are plain', () => {
  expect(newTimers()).toBeInstanceOf(PlainTimers);
});
