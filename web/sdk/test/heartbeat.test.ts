import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { TallylightError } from '../src/error.ts';
import { Heartbeat, type Beat } from '../src/heartbeat.ts';
import { PlainTimers } from '../src/timers.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

function start({ answerAfterMs = 40, random = 0.2 } = {}) {
  const seen = { sent: [] as number[], beats: [] as Beat[], dead: [] as string[] };
  const begin = Date.now();
  const heartbeat = new Heartbeat({
    intervalMs: 50_000,
    timers: new PlainTimers(),
    random: () => random,
    send: () =>
      new Promise((resolve, reject) => {
        seen.sent.push(Date.now() - begin);
        if (Number.isFinite(answerAfterMs)) setTimeout(() => resolve(Date.now() + 7000), answerAfterMs);
        else setTimeout(() => reject(new TallylightError('timeout', 'no answer')), 10_000);
      }),
    onBeat: (beat) => seen.beats.push(beat),
    onDead: (reason) => seen.dead.push(reason),
  });
  return { heartbeat, seen };
}

test('the first beat comes at a random point of the interval, the others an interval apart', async () => {
  const { seen } = start({ random: 0.2 });
  await vi.advanceTimersByTimeAsync(170_000);
  expect(seen.sent).toEqual([10_000, 60_000, 110_000, 160_000]);
});

test('the round trip is measured, and the clock of the server', async () => {
  const { seen } = start({ answerAfterMs: 40 });
  await vi.advanceTimersByTimeAsync(11_000);
  expect(seen.beats).toHaveLength(1);
  expect(seen.beats[0]).toMatchObject({ rttMs: 40, serverNow: seen.beats[0]!.at + 7020 });
});

test('a beat tells when the next one is due, one out of turn as well', async () => {
  const { heartbeat, seen } = start({ random: 0.2, answerAfterMs: 40 });
  const begin = Date.now();
  expect(heartbeat.nextAt).toBe(begin + 10_000);
  await vi.advanceTimersByTimeAsync(5_000);
  void heartbeat.beat();
  await vi.advanceTimersByTimeAsync(6_000);
  expect(seen.beats.map(({ nextAt }) => nextAt - begin)).toEqual([10_000, 60_000]);
});

test('without an answer the connection is dead, once', async () => {
  const { seen } = start({ answerAfterMs: Infinity });
  await vi.advanceTimersByTimeAsync(19_999);
  expect(seen.dead).toEqual([]);
  await vi.advanceTimersByTimeAsync(200_000);
  expect(seen.dead).toHaveLength(1);
  expect(seen.sent).toHaveLength(1);
});

test('silence is death for a streamer, after 25 s', async () => {
  const { heartbeat, seen } = start({ random: 0.9 });
  heartbeat.watchSilence(true);
  await vi.advanceTimersByTimeAsync(20_000);
  heartbeat.heard();
  await vi.advanceTimersByTimeAsync(24_999);
  expect(seen.dead).toEqual([]);
  await vi.advanceTimersByTimeAsync(1);
  expect(seen.dead).toHaveLength(1);
});

test('silence is nothing for a viewer', async () => {
  const { heartbeat, seen } = start();
  heartbeat.watchSilence(true);
  heartbeat.watchSilence(false);
  await vi.advanceTimersByTimeAsync(49_000);
  expect(seen.dead).toEqual([]);
});

test('a stopped heart is still', async () => {
  const { heartbeat, seen } = start();
  heartbeat.watchSilence(true);
  heartbeat.stop();
  await vi.advanceTimersByTimeAsync(200_000);
  expect(seen).toEqual({ sent: [], beats: [], dead: [] });
});
