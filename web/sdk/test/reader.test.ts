import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { Emitter } from '../src/emitter.ts';
import { chat, FakeSocket, newClient, resetSockets } from './fake.ts';

interface Weather {
  rain: number;
  sun: string;
}

class Sky extends Emitter<Weather> {
  readonly #fall = { rain: 0 };
  rain(times = 1): void {
    for (let i = 0; i < times; i++) this.emit('rain', ++this.#fall.rain);
  }
  shine(): void {
    this.emit('sun', 'bright');
  }
  night(): void {
    this.endLoops();
  }
}

/** Reads to the end of a loop, or so many events. */
async function read<T>(events: AsyncIterable<T>, most = Infinity): Promise<T[]> {
  const seen: T[] = [];
  for await (const event of events) {
    seen.push(event);
    if (seen.length === most) break;
  }
  return seen;
}

test('a loop reads what came since the call, in order, and nothing else', async () => {
  const sky = new Sky();
  sky.rain();
  const rain = sky.each('rain');
  sky.rain(3);
  sky.shine();
  const first = await rain.next();
  expect(first).toEqual({ done: false, value: 2 });
  setTimeout(() => sky.rain(2));
  expect(await read(rain, 4)).toEqual([3, 4, 5, 6]);
});

test('what comes while the loop is busy waits for it', async () => {
  const sky = new Sky();
  const rain = sky.each('rain');
  const seen: number[] = [];
  const loop = (async () => {
    for await (const drop of rain) {
      seen.push(drop);
      if (drop === 1) {
        sky.rain(50);
        await new Promise((done) => setTimeout(done, 5));
        sky.rain(50);
      }
      if (drop === 101) break;
    }
  })();
  sky.rain();
  await loop;
  expect(seen).toEqual(Array.from({ length: 101 }, (_, i) => i + 1));
});

test('each loop gets every event', async () => {
  const sky = new Sky();
  const loops = [read(sky.each('rain'), 3), read(sky.each('rain'), 3)];
  sky.rain(3);
  expect(await Promise.all(loops)).toEqual([[1, 2, 3], [1, 2, 3]]);
});

test('whoever asks twice at a time gets two', async () => {
  const sky = new Sky();
  const rain = sky.each('rain');
  const asked = [rain.next(), rain.next(), rain.next()];
  sky.rain(2);
  sky.night();
  expect(await Promise.all(asked)).toEqual([
    { done: false, value: 1 },
    { done: false, value: 2 },
    { done: true, value: undefined },
  ]);
});

test('break unsubscribes, and so does an exception', async () => {
  const sky = new Sky();
  const broken = sky.each('rain', { limit: 1 });
  sky.rain();
  await read(broken, 1);
  const thrown = sky.each('rain', { limit: 1 });
  sky.rain();
  await expect(
    (async () => {
      for await (const drop of thrown) throw new Error(`drop ${drop}`);
    })(),
  ).rejects.toThrow('drop 2');
  sky.rain(10); // more than either could hold
  expect(await broken.next()).toEqual({ done: true, value: undefined });
  expect(await thrown.next()).toEqual({ done: true, value: undefined });
});

test('a signal ends the loop at once, also one that was aborted before', async () => {
  const sky = new Sky();
  const stop = new AbortController();
  const waiting = read(sky.each('rain', { signal: stop.signal }));
  const full = sky.each('rain', { signal: stop.signal });
  sky.rain(2);
  await new Promise((done) => setTimeout(done));
  stop.abort();
  sky.rain();
  expect(await waiting).toEqual([1, 2]);
  expect(await full.next(), 'what waits is not read any more').toEqual({ done: true, value: undefined });
  const late = sky.each('rain', { signal: stop.signal });
  sky.rain();
  expect(await read(late)).toEqual([]);
});

test('a loop that has ended keeps nothing of its signal', () => {
  const stop = new AbortController();
  const remove = vi.spyOn(stop.signal, 'removeEventListener');
  void new Sky().each('rain', { signal: stop.signal }).return?.();
  expect(remove).toHaveBeenCalledTimes(1);
});

test('who falls too far behind reads what was kept, and is told of the rest', async () => {
  const sky = new Sky();
  const rain = sky.each('rain', { limit: 3 });
  sky.rain(3);
  expect(await rain.next()).toMatchObject({ value: 1 });
  sky.rain(3); // one finds room, one not, and the last is not heard of
  const seen: number[] = [];
  const loop = async () => {
    for await (const drop of rain) seen.push(drop);
  };
  await expect(loop()).rejects.toMatchObject({ name: 'TallylightError', code: 'too_slow' });
  expect(seen).toEqual([2, 3, 4]);
  expect(await rain.next()).toEqual({ done: true, value: undefined });
});

test('without a limit of its own a loop is a thousand behind at most', async () => {
  const sky = new Sky();
  const [enough, tooMany] = [sky.each('rain'), sky.each('rain')];
  sky.rain(1_000);
  const read = expect(enough.next()).resolves.toMatchObject({ value: 1 });
  sky.rain();
  await read;
  for (let i = 2; i <= 1_001; i++) expect(await enough.next()).toMatchObject({ value: i });
  for (let i = 1; i <= 1_000; i++) await tooMany.next();
  await expect(tooMany.next()).rejects.toMatchObject({ code: 'too_slow' });
});

test('at the end of the source the loop reads the last events', async () => {
  const sky = new Sky();
  const rain = sky.each('rain');
  sky.rain(2);
  sky.night();
  sky.rain();
  expect(await read(rain)).toEqual([1, 2]);
});

// ---- with a client

beforeEach(resetSockets);
afterEach(() => void vi.useRealTimers());

async function inAlice() {
  const client = newClient();
  await client.connect();
  const room = client.join('alice');
  await room.ready;
  return { client, room, server: FakeSocket.last };
}

test('a loop over chat goes on through a reconnect', async () => {
  vi.useFakeTimers();
  const { room, server } = await inAlice();
  const lines = room.each('chat');
  server.say(chat(11, 'before'));
  server.drop(1006);
  await vi.advanceTimersByTimeAsync(500);
  FakeSocket.last.say(chat(12, 'after'));
  expect((await read(lines, 2)).map(({ data }) => data.text)).toEqual(['before', 'after']);
});

test('the loops of a room end when it is left', async () => {
  const { client, room, server } = await inAlice();
  const [lines, other] = [room.each('chat'), client.join('bob').each('chat')];
  server.say(chat(11, 'last words'));
  await room.leave();
  expect((await read(lines)).map(({ data }) => data.text)).toEqual(['last words']);
  const still = Promise.race([other.next(), Promise.resolve('waiting')]);
  expect(await still).toBe('waiting');
});

test('the loops of a room that is refused end', async () => {
  const { client, server } = await inAlice();
  server.answers.set('join', () => ({ type: 'error', code: 'forbidden', message: 'no' }));
  const room = client.join('bob');
  const refused = room.each('refused');
  expect((await read(refused)).map(({ code }) => code)).toEqual(['forbidden']);
  expect(await read(room.each('chat')), 'one that begins too late does not wait for ever').toEqual([]);
});

test.each([
  ['is closed', 'closed', ({ client }: Awaited<ReturnType<typeof inAlice>>) => client.close()],
  ['is told to stay away', 'banned', ({ server }: Awaited<ReturnType<typeof inAlice>>) => server.drop(4412)],
])('when the client %s, its loops and those of its rooms end', async (_name, code, end) => {
  const alice = await inAlice();
  const [statuses, lines] = [alice.client.each('status'), alice.room.each('chat')];
  end(alice);
  expect(await read(statuses)).toMatchObject([{ state: 'stopped', reason: { code } }]);
  expect(await read(lines)).toEqual([]);
  const again = alice.client.each('status');
  await alice.client.connect();
  expect((await again.next()).value).toMatchObject({ state: 'connecting' });
});
