import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { TallylightError } from '../src/error.ts';
import type { Room } from '../src/room.ts';
import { Outbox } from '../src/rtc/outbox.ts';

/** What arrived, and what the next signals are answered with. */
const arrived: string[] = [];
let answers: string[] = [];
let refused: string[] = [];

const room = {
  signal: async (to: string, session: string, kind: string, data?: unknown) => {
    await Promise.resolve();
    const code = answers.shift();
    if (code) throw new TallylightError(code, code);
    arrived.push([to, session, kind, data].filter((word) => word !== undefined).join(' '));
  },
} as unknown as Room;

function newOutbox(): Outbox {
  return new Outbox({ room, session: 's1', to: 'streamer', onRefused: (code) => refused.push(code) });
}

beforeEach(() => {
  vi.useFakeTimers();
  arrived.length = 0;
  answers = [];
  refused = [];
});
afterEach(() => vi.useRealTimers());

test('what is said arrives in order, at once', async () => {
  const outbox = newOutbox();
  for (const n of [1, 2, 3]) outbox.add('candidate', n);
  await vi.advanceTimersByTimeAsync(0);
  expect(arrived).toEqual(['streamer s1 candidate 1', 'streamer s1 candidate 2', 'streamer s1 candidate 3']);
});

test('while the other side is away it waits, and is sent to where they are then, still in order', async () => {
  const outbox = newOutbox();
  answers = ['peer_gone', 'unavailable', 'disconnected', 'not_joined', 'timeout'];
  outbox.add('offer', 'a');
  outbox.add('candidate', 'b');
  await vi.advanceTimersByTimeAsync(0);
  expect(arrived).toEqual([]);
  outbox.to = 'n2-x';
  await vi.advanceTimersByTimeAsync(20_000);
  expect(arrived).toEqual(['n2-x s1 offer a', 'n2-x s1 candidate b']);
  expect(refused).toEqual([]);
});

test('it does not ask more often than every fifth of a second or so, and not less than every two seconds', async () => {
  const outbox = newOutbox();
  answers = Array.from({ length: 1000 }, () => 'peer_gone');
  outbox.add('request', undefined);
  await vi.advanceTimersByTimeAsync(60_000);
  const asked = 1000 - answers.length;
  expect(asked).toBeGreaterThan(25);
  expect(asked).toBeLessThan(120);
});

test.each(['peer_limit', 'forbidden', 'too_large'])('%s is final, and said once', async (code) => {
  const outbox = newOutbox();
  answers = [code];
  outbox.add('request', undefined);
  await vi.advanceTimersByTimeAsync(20_000);
  expect(refused).toEqual([code]);
  expect(arrived).toEqual([]);
});

test('closed, it says goodbye once, and nothing that waits', async () => {
  const outbox = newOutbox();
  answers = ['peer_gone'];
  outbox.add('offer', 'a');
  await vi.advanceTimersByTimeAsync(0);
  outbox.close({ bye: true });
  outbox.add('candidate', 'b');
  await vi.advanceTimersByTimeAsync(20_000);
  expect(arrived).toEqual(['streamer s1 bye']);
  newOutbox().close({ bye: false });
  await vi.advanceTimersByTimeAsync(20_000);
  expect(arrived).toHaveLength(1);
});
