import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { Beat } from '../src/heartbeat.ts';
import type { Status } from '../src/status.ts';
import { broadcast, chat, FakeSocket, joined, newClient, resetSockets, welcome } from './fake.ts';

beforeEach(() => {
  vi.useFakeTimers();
  resetSockets();
});
afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

/** Lets everything happen that needs no time. */
const settle = () => vi.advanceTimersByTimeAsync(0);

function stoppedWith(status: Status): string | undefined {
  return status.state === 'stopped' ? status.reason.code : undefined;
}

test('signs in by the first message, never by the address', async () => {
  const client = newClient({ token: 'secret' });
  const welcome = await client.connect();
  expect(welcome.user).toEqual({ id: 'bob', name: 'Bob' });
  expect(FakeSocket.last.url).toBe('ws://node.test/v1/ws');
  expect(FakeSocket.last.protocols).toEqual(['tallylight.v1']);
  expect(FakeSocket.last.sent[0]).toMatchObject({ type: 'hello', token: 'secret' });
  expect(client.status.state).toBe('connected');
});

test('the sign-in tells a first round-trip time', async () => {
  const client = newClient();
  const beats: Beat[] = [];
  client.on('beat', (beat) => beats.push(beat));
  const welcome = await client.connect();
  expect(beats).toHaveLength(1);
  const next = beats[0]!.nextAt - Date.now();
  expect(next, 'the next beat is known').toBeGreaterThan(0);
  expect(next).toBeLessThanOrEqual(welcome.heartbeat_ms);
});

test('who was banned knows until when, and why', async () => {
  const client = newClient();
  await client.connect();
  const message = 'banned until 2026-01-31T12:00:00Z: spam';
  FakeSocket.last.drop(4412, message);
  expect(client.status).toEqual({ state: 'stopped', reason: { code: 'banned', message, until: 1769860800000, why: 'spam' } });
});

test('a new token that is refused as well ends it', async () => {
  FakeSocket.onCreate = (socket) => {
    socket.answers.set('hello', () => {
      queueMicrotask(() => socket.drop(4401, 'unknown key'));
      return undefined;
    });
    socket.accept();
  };
  const token = vi.fn(async () => 'bad');
  const client = newClient({ token });
  const refused = expect(client.connect()).rejects.toMatchObject({ code: 'unauthorized' });
  await vi.advanceTimersByTimeAsync(60_000);
  await refused;
  expect(token).toHaveBeenCalledTimes(2);
});

test('while no token can be had it keeps asking', async () => {
  let fail = true;
  const client = newClient({ token: () => (fail ? Promise.reject(new Error('backend away')) : Promise.resolve('t')) });
  void client.connect();
  await settle();
  expect(client.status).toMatchObject({ state: 'waiting', reason: expect.stringContaining('backend away') });
  fail = false;
  await vi.advanceTimersByTimeAsync(500);
  expect(client.status.state).toBe('connected');
});

test('the delays grow while nobody answers, and shrink after a stable connection', async () => {
  FakeSocket.onCreate = (socket) => socket.refuse();
  const client = newClient();
  void client.connect();
  await vi.advanceTimersByTimeAsync(250 + 500 + 1000 + 2000);
  expect(FakeSocket.all).toHaveLength(5);
  FakeSocket.onCreate = (socket) => socket.accept();
  await vi.advanceTimersByTimeAsync(4000);
  expect(client.status.state).toBe('connected');
  await vi.advanceTimersByTimeAsync(10_000);
  FakeSocket.last.drop(1006);
  expect(client.status).toMatchObject({ state: 'waiting', retryAt: Date.now() + 250 });
});

test.each([
  ['a streamer who is on air', 'streamer', 'live', 3_000],
  ['a streamer who is not', 'streamer', 'online', 30_000],
  ['a viewer', 'viewer', 'live', 30_000],
] as const)('%s waits no longer than is good for them', async (_who, role, state, mostMs) => {
  const client = newClient({ backoff: { random: () => 0.999999 } });
  const streamer = { state, ...(state === 'live' && { broadcast: broadcast() }) };
  client.join('alice', { role });
  FakeSocket.onCreate = (socket) => {
    socket.answers.set('join', (request) => joined(request, { streamer }));
    socket.accept();
  };
  await client.connect();
  await settle();
  FakeSocket.onCreate = (socket) => socket.refuse();
  FakeSocket.last.drop(1006);
  let longest = 0;
  for (let i = 0; i < 10; i++) {
    const waiting = client.status.state === 'waiting' ? client.status.retryAt - Date.now() : 0;
    longest = Math.max(longest, waiting);
    await vi.advanceTimersByTimeAsync(waiting + 1);
  }
  expect(longest).toBeLessThanOrEqual(mostMs);
  expect(longest).toBeGreaterThan(mostMs * 0.99);
});

test('after a refused upgrade it asks for the reason', async () => {
  FakeSocket.onCreate = (socket) => socket.refuse();
  const fetch = vi.fn(async () => Response.json({ code: 'unauthorized', detail: 'expired' }, { status: 401 }));
  const client = newClient({ fetch });
  void client.connect();
  await settle();
  expect(fetch).toHaveBeenCalledWith('http://node.test/v1/validate', expect.anything());
  expect(client.status).toEqual({ state: 'stopped', reason: { code: 'unauthorized', message: 'expired' } });
});

test('a node that admits nobody is given the time it asks for', async () => {
  FakeSocket.onCreate = (socket) => socket.refuse();
  const client = newClient({ fetch: async () => new Response('', { status: 503, headers: { 'Retry-After': '7' } }) });
  void client.connect();
  await settle();
  expect(client.status).toMatchObject({ state: 'waiting', retryAt: Date.now() + 7250 });
});

test.each([0, 0.5, 0.999999])('of Retry-After nothing is taken off, whatever is drawn (%d)', async (draw) => {
  FakeSocket.onCreate = (socket) => socket.refuse();
  const client = newClient({
    backoff: { random: () => draw },
    fetch: async () => new Response('', { status: 503, headers: { 'Retry-After': '45' } }),
  });
  void client.connect();
  await vi.advanceTimersByTimeAsync(44_999); // the cap of the backoff is below that
  expect(FakeSocket.all).toHaveLength(1);
  await vi.advanceTimersByTimeAsync(1 + 500);
  expect(FakeSocket.all).toHaveLength(2);
});

test('a server that accepts and says nothing is given up', async () => {
  FakeSocket.onCreate = (socket) => {
    socket.answers.set('hello', () => undefined);
    socket.accept();
  };
  const client = newClient();
  void client.connect();
  await vi.advanceTimersByTimeAsync(10_250);
  expect(FakeSocket.all[0]?.closedByClient).toBe(true);
  expect(FakeSocket.all).toHaveLength(2);
});

test('an unanswered heartbeat brings it to another socket', async () => {
  const client = newClient();
  await client.connect();
  const first = FakeSocket.last;
  first.answers.set('heartbeat', () => undefined);
  await vi.advanceTimersByTimeAsync(50_000 + 10_000 + 500);
  expect(first.closedByClient).toBe(true);
  expect(FakeSocket.all).toHaveLength(2);
  expect(client.status.state).toBe('connected');
});

test('a streamer that hears nothing for 25 s comes back at once', async () => {
  vi.spyOn(Math, 'random').mockReturnValue(0.99); // the first beat is far away
  const client = newClient();
  await client.connect();
  const room = client.join('alice', { role: 'streamer' });
  await room.ready;
  const first = FakeSocket.last;
  first.answers.set('heartbeat', () => undefined);
  await vi.advanceTimersByTimeAsync(20_000);
  first.say({ type: 'heartbeat', now: Date.now() });
  await vi.advanceTimersByTimeAsync(24_000);
  expect(FakeSocket.all).toHaveLength(1);
  await vi.advanceTimersByTimeAsync(1500);
  expect(first.closedByClient).toBe(true);
  expect(FakeSocket.last.requests('join')).toMatchObject([{ room: 'alice', role: 'streamer' }]);
});

test('an expiring token is refreshed', async () => {
  const token = vi.fn(async () => `token-${token.mock.calls.length}`);
  const client = newClient({ token });
  await client.connect();
  FakeSocket.last.say({ type: 'expiring', expires_at: Date.now() + 60_000 });
  await settle();
  expect(FakeSocket.last.requests('refresh')).toMatchObject([{ token: 'token-2' }]);
});

test('who has no other token is told that it ends, and can bring one later', async () => {
  let token = 'token-1';
  const client = newClient({ token: async () => token });
  const ends: number[] = [];
  client.on('expiring', ({ expiresAt }) => ends.push(expiresAt));
  client.on('token', ({ expiresAt }) => ends.push(expiresAt));
  await client.connect();
  const first = client.expiresAt;
  FakeSocket.last.answers.set('refresh', () => ({ type: 'error', code: 'unauthorized', message: 'too old' }));
  FakeSocket.last.say({ type: 'expiring', expires_at: first });
  await settle();
  await expect(client.refresh()).rejects.toMatchObject({ code: 'unauthorized' });
  expect(client.status.state).toBe('connected');
  expect(client.expiresAt).toBe(first);

  token = 'token-2';
  FakeSocket.last.answers.set('refresh', () => ({ type: 'ok', expires_at: 7_200_000 }));
  await client.refresh();
  expect(FakeSocket.last.requests('refresh').at(-1)).toMatchObject({ token: 'token-2' });
  expect(client.expiresAt).toBe(7_200_000);
  expect(ends).toEqual([first, first, 7_200_000]);
});

test('a closed client is closed', async () => {
  const client = newClient();
  await client.connect();
  client.close();
  expect(FakeSocket.last.closedByClient).toBe(true);
  expect(stoppedWith(client.status)).toBe('closed');
  await vi.advanceTimersByTimeAsync(120_000);
  expect(FakeSocket.all).toHaveLength(1);
});

test('an error that answers nothing is told', async () => {
  const client = newClient();
  await client.connect();
  const errors: string[] = [];
  client.on('error', ({ code }) => errors.push(code));
  FakeSocket.last.say({ type: 'error', code: 'bad_request', message: 'not JSON' });
  expect(errors).toEqual(['bad_request']);
});

// ---- drain: make before break

async function connectedInAlice(role: 'viewer' | 'streamer' = 'viewer') {
  const client = newClient();
  await client.connect();
  const room = client.join('alice', { role });
  await room.ready;
  const seen: string[] = [];
  room.on('chat', ({ data }) => seen.push(data.text));
  return { client, room, seen, old: FakeSocket.last };
}

test('asked to reconnect, it joins over the new socket before it drops the old', async () => {
  const { client, room, seen, old } = await connectedInAlice();
  const states: string[] = [];
  client.on('status', ({ state }) => states.push(state));
  old.say(chat(11, 'before'), { type: 'reconnect', after_ms: 3000, reason: 'drain' });

  let answerJoin: (() => void) | undefined;
  FakeSocket.onCreate = (socket) => {
    socket.answers.set('join', (request) => {
      answerJoin = () => socket.say({ ...joined(request, { offset: 12, events: [chat(12, 'between')] }), re: request['id'] });
      return undefined;
    });
    socket.accept();
  };
  await vi.advanceTimersByTimeAsync(2999);
  expect(FakeSocket.all).toHaveLength(1);
  await vi.advanceTimersByTimeAsync(1);
  expect(FakeSocket.last.requests('join')).toMatchObject([{ since: { epoch: 'e1', offset: 11 } }]);
  expect(old.closedByClient).toBe(false);

  old.say(chat(12, 'between'));
  answerJoin?.();
  await settle();
  old.say(chat(13, 'too late'));
  FakeSocket.last.say(chat(13, 'after'));
  expect(old.closedByClient).toBe(true);
  expect(seen).toEqual(['before', 'between', 'after']);
  expect(room.position).toEqual({ epoch: 'e1', offset: 13 });
  expect(states).toEqual(['connected']);
});

test('a streamer is not scared by the 4409 of its own move', async () => {
  const { client, old } = await connectedInAlice('streamer');
  FakeSocket.onCreate = (socket) => {
    socket.answers.set('join', (request) => {
      old.drop(4409);
      return joined(request);
    });
    socket.accept();
  };
  old.say({ type: 'reconnect', after_ms: 100, reason: 'drain' });
  await vi.advanceTimersByTimeAsync(100);
  expect(FakeSocket.all).toHaveLength(2);
  expect(client.status.state).toBe('connected');
});

test.each([
  ['the new node is full', (socket: FakeSocket) => socket.refuse()],
  [
    'the new node cannot join the room',
    (socket: FakeSocket) => {
      socket.answers.set('join', () => ({ type: 'error', code: 'unavailable', message: 'try again' }));
      socket.accept();
    },
  ],
])('%s: the old socket is kept and the move tried again', async (_name, onCreate) => {
  const { client, seen, old } = await connectedInAlice();
  FakeSocket.onCreate = onCreate;
  old.say({ type: 'reconnect', after_ms: 100, reason: 'drain' });
  await vi.advanceTimersByTimeAsync(100);
  expect(old.closedByClient).toBe(false);
  expect(client.status.state).toBe('connected');
  old.say(chat(11, 'still here'));
  expect(seen).toEqual(['still here']);

  FakeSocket.onCreate = (socket) => socket.accept();
  await vi.advanceTimersByTimeAsync(500);
  expect(old.closedByClient).toBe(true);
  expect(client.status.state).toBe('connected');
});

/** Sockets that a balancer leads back to the first node. */
const backToTheFirst = (socket: FakeSocket) => {
  socket.answers.set('hello', () => welcome('n1'));
  socket.accept();
};

test('led back to the node that it is to leave, it tries again almost at once', async () => {
  const { client, old } = await connectedInAlice('streamer');
  FakeSocket.onCreate = backToTheFirst;
  old.say({ type: 'reconnect', after_ms: 100, reason: 'isolated' });
  await vi.advanceTimersByTimeAsync(100);
  const back = FakeSocket.last;
  expect(back).not.toBe(old);
  expect(back.closedByClient).toBe(true);
  expect(back.requests('join')).toEqual([]);
  expect(old.closedByClient).toBe(false);
  expect(client.status.state).toBe('connected');

  FakeSocket.onCreate = (socket) => socket.accept();
  await vi.advanceTimersByTimeAsync(50);
  expect(FakeSocket.last.requests('join')).toHaveLength(1);
  expect(old.closedByClient).toBe(true);
});

test('where there is no other node, it does not try for ever', async () => {
  const { client, old } = await connectedInAlice('streamer');
  FakeSocket.onCreate = backToTheFirst;
  old.say({ type: 'reconnect', after_ms: 100, reason: 'isolated' });
  await vi.advanceTimersByTimeAsync(100 + 4 * 50);
  expect(FakeSocket.all).toHaveLength(1 + 5);
  expect(old.closedByClient).toBe(false);
  await vi.advanceTimersByTimeAsync(50);
  expect(FakeSocket.last.requests('join')).toHaveLength(1);
  expect(client.status.state).toBe('connected');
  await vi.advanceTimersByTimeAsync(5000);
  expect(FakeSocket.all).toHaveLength(1 + 5 + 1);

  FakeSocket.last.say({ type: 'reconnect', after_ms: 0, reason: 'isolated' });
  await vi.advanceTimersByTimeAsync(0);
  expect(FakeSocket.last.closedByClient, 'asked again, it begins anew').toBe(true);
});

test.each([0, 0.999999])('of after_ms nothing is taken off and nothing added: the node has spread it already (%d)', async (draw) => {
  const client = newClient({ backoff: { random: () => draw } });
  await client.connect();
  FakeSocket.last.say({ type: 'reconnect', after_ms: 12_345, reason: 'drain' });
  await vi.advanceTimersByTimeAsync(12_344);
  expect(FakeSocket.all).toHaveLength(1);
  await vi.advanceTimersByTimeAsync(1);
  expect(FakeSocket.all).toHaveLength(2);
});

test('who is asked for patience by the new node, and loses the old one, is patient all the same', async () => {
  const client = newClient({ fetch: async () => new Response('', { status: 503, headers: { 'Retry-After': '9' } }) });
  await client.connect();
  const old = FakeSocket.last;
  FakeSocket.onCreate = (socket) => socket.refuse();
  old.say({ type: 'reconnect', after_ms: 0, reason: 'drain' });
  await vi.advanceTimersByTimeAsync(0);
  expect(FakeSocket.all).toHaveLength(2);
  await vi.advanceTimersByTimeAsync(2_000);
  old.drop(1012);
  await vi.advanceTimersByTimeAsync(6_999);
  expect(FakeSocket.all).toHaveLength(2);
  FakeSocket.onCreate = (socket) => socket.accept();
  await vi.advanceTimersByTimeAsync(1_000);
  expect(client.status.state).toBe('connected');
});

test('when the old socket ends during the move, the move goes on', async () => {
  const { client, old } = await connectedInAlice();
  FakeSocket.onCreate = () => undefined;
  old.say({ type: 'reconnect', after_ms: 100, reason: 'drain' });
  await vi.advanceTimersByTimeAsync(100);
  old.drop(1012);
  expect(client.status.state).toBe('connecting');
  FakeSocket.last.accept();
  await settle();
  expect(client.status.state).toBe('connected');
  expect(FakeSocket.last.requests('join')).toHaveLength(1);
});
