import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { TallylightError } from '../src/error.ts';
import { broadcast, chat, event, FakeSocket, joined, newClient, resetSockets } from './fake.ts';

beforeEach(() => {
  vi.useFakeTimers();
  resetSockets();
});
afterEach(() => void vi.useRealTimers());

const settle = () => vi.advanceTimersByTimeAsync(0);

async function inAlice(role: 'viewer' | 'streamer' = 'viewer') {
  const client = newClient();
  await client.connect();
  const room = client.join('alice', { role });
  const heard: string[] = [];
  room.on('event', ({ offset }) => heard.push(String(offset)));
  room.on('joined', ({ recovered }) => heard.push(recovered ? 'recovered' : 'snapshot'));
  room.on('state', ({ state, broadcast }) => heard.push(broadcast ? `${state} v${broadcast.version}` : state));
  await room.ready;
  heard.length = 0;
  return { client, room, heard, server: FakeSocket.last };
}

/** Drops the socket and gives the next one this answer to its join. */
async function comeBack(server: FakeSocket, answer: (request: Record<string, unknown>) => Record<string, unknown>) {
  FakeSocket.onCreate = (socket) => {
    socket.answers.set('join', answer);
    socket.accept();
  };
  server.drop(1006);
  await vi.advanceTimersByTimeAsync(500);
  return FakeSocket.last;
}

test('events come in order and once', async () => {
  const { heard, server } = await inAlice();
  server.say(chat(11, 'a'), chat(12, 'b'), chat(12, 'b'), chat(11, 'a'), chat(13, 'c'));
  expect(heard).toEqual(['11', '12', '13']);
});

test('events in the same frame as the snapshot are not lost', async () => {
  FakeSocket.onCreate = (socket) => {
    socket.answers.set('join', (request) => {
      queueMicrotask(() => socket.say({ ...joined(request), re: request['id'] }, chat(11, 'right behind')));
      return undefined;
    });
    socket.accept();
  };
  const client = newClient();
  await client.connect();
  const room = client.join('alice');
  const texts: string[] = [];
  room.on('chat', ({ data }) => texts.push(data.text));
  await room.ready;
  expect(texts).toEqual(['right behind']);
});

test('the streamer follows the events', async () => {
  const { room, heard, server } = await inAlice();
  const user = { id: 'alice', name: 'Alice' };
  server.say(
    event(11, 'streamer.online', { user }),
    event(12, 'live.started', { broadcast: broadcast(1) }),
    event(13, 'live.reconnecting', { broadcast: broadcast(2), until: 9000, reason: 'connection_lost' }),
  );
  expect(room.streamer).toEqual({ state: 'reconnecting', user, broadcast: broadcast(2), until: 9000, reason: 'connection_lost' });
  server.say(event(14, 'live.resumed', { broadcast: broadcast(3) }));
  expect(room.streamer).toEqual({ state: 'live', user, broadcast: broadcast(3) });
  server.say(event(15, 'live.ended', { broadcast: broadcast(4), reason: 'ended_by_streamer' }));
  expect(room.streamer).toEqual({ state: 'online', user });
  server.say(event(16, 'streamer.offline', { user }));
  expect(heard.filter((entry) => Number.isNaN(Number(entry)))).toEqual([
    'online',
    'live v1',
    'reconnecting v2',
    'live v3',
    'online',
    'offline',
  ]);
});

test('an old version changes nothing', async () => {
  const { room, heard, server } = await inAlice();
  server.say(event(11, 'live.started', { broadcast: broadcast(5) }), event(12, 'live.ended', { broadcast: broadcast(5) }));
  expect(room.streamer.state).toBe('live');
  expect(heard).toEqual(['live v5', '11']);
});

test('after a drop the missed events are replayed, without repeats', async () => {
  const { heard, server } = await inAlice();
  server.say(chat(11, 'a'), chat(12, 'b'));
  const back = await comeBack(server, (request) =>
    joined(request, { offset: 14, events: [chat(12, 'b'), chat(13, 'c'), chat(14, 'd')] }),
  );
  expect(back.requests('join')).toMatchObject([{ room: 'alice', since: { epoch: 'e1', offset: 12 } }]);
  back.say(chat(14, 'd'), chat(15, 'e'));
  expect(heard.filter((entry) => !entry.startsWith('off'))).toEqual(['11', '12', 'recovered', '13', '14', '15']);
});

test('what cannot be recovered is replaced by the snapshot', async () => {
  const { room, heard, server } = await inAlice();
  server.say(chat(11, 'a'));
  const streamer = { state: 'live' as const, broadcast: broadcast(7) };
  const back = await comeBack(server, (request) => joined(request, { epoch: 'e2', offset: 3, recovered: false, streamer }));
  back.say(chat(4, 'first of the new epoch', 'e2'));
  expect(heard).toEqual(['11', 'snapshot', 'live v7', '4']);
  expect(room.streamer).toEqual(streamer);
});

test('a snapshot that nobody asked for wins as well', async () => {
  const { room, heard, server } = await inAlice();
  server.say(chat(11, 'a'), joined({ room: 'alice', role: 'viewer' }, { offset: 40 }), chat(40, 'old'), chat(41, 'new'));
  expect(heard).toEqual(['11', 'snapshot', 'offline', '41']);
  expect(room.position).toEqual({ epoch: 'e1', offset: 41 });
});

test('a refused join ends the room', async () => {
  FakeSocket.onCreate = (socket) => {
    socket.answers.set('join', () => ({ type: 'error', code: 'forbidden', message: 'no grant' }));
    socket.accept();
  };
  const client = newClient();
  await client.connect();
  await expect(client.join('alice').ready).rejects.toMatchObject({ code: 'forbidden' });
});

test('a join that cannot be served now is tried again', async () => {
  let busy = true;
  FakeSocket.onCreate = (socket) => {
    socket.answers.set('join', (request) =>
      busy ? { type: 'error', code: 'unavailable', message: 'later', retry_after_ms: 2000 } : joined(request),
    );
    socket.accept();
  };
  const client = newClient();
  await client.connect();
  const room = client.join('alice');
  await settle();
  busy = false;
  await vi.advanceTimersByTimeAsync(2500);
  await expect(room.ready).resolves.toMatchObject({ room: 'alice' });
  expect(FakeSocket.all).toHaveLength(1);
});

test('requests carry what they should, and errors come back typed', async () => {
  const { room, server } = await inAlice('streamer');
  server.answers.set('live.start', () => ({ type: 'ok', broadcast: broadcast() }));
  server.answers.set('publish', () => ({ type: 'error', code: 'rate_limited', message: 'slow', retry_after_ms: 800 }));
  await expect(room.start({ title: 'Ink', window_ms: 0 })).resolves.toEqual(broadcast());
  await room.update({ title: 'Pencil' });
  await room.end();
  const error: unknown = await room.chat('hello').catch((error: unknown) => error);
  expect(error).toBeInstanceOf(TallylightError);
  expect(error).toMatchObject({ code: 'rate_limited', retryAfterMs: 800, temporary: true });
  expect(server.sent.slice(2).map(({ id: _id, ...request }) => request)).toEqual([
    { type: 'live.start', room: 'alice', title: 'Ink', window_ms: 0 },
    { type: 'live.update', room: 'alice', title: 'Pencil' },
    { type: 'live.end', room: 'alice' },
    { type: 'publish', room: 'alice', event: 'chat', data: { text: 'hello' } },
  ]);
});

test('a request without an answer, or without a connection, fails', async () => {
  const { room, server } = await inAlice();
  server.answers.set('publish', () => undefined);
  const late = expect(room.chat('hello')).rejects.toMatchObject({ code: 'timeout' });
  await vi.advanceTimersByTimeAsync(10_000);
  await late;
  const lost = expect(room.chat('hello')).rejects.toMatchObject({ code: 'disconnected' });
  server.drop(1006);
  await lost;
  await expect(room.chat('hello')).rejects.toMatchObject({ code: 'disconnected' });
});

test('a room that was left is not joined again', async () => {
  const { room, server } = await inAlice();
  await room.leave();
  expect(server.requests('leave')).toMatchObject([{ room: 'alice' }]);
  server.drop(1006);
  await vi.advanceTimersByTimeAsync(500);
  expect(FakeSocket.last.requests('join')).toEqual([]);
});

test('the same room twice is one room, in two roles a mistake', async () => {
  const { client, room } = await inAlice();
  expect(client.join('alice')).toBe(room);
  expect(() => client.join('alice', { role: 'streamer' })).toThrow(/viewer/);
});

test('reactions are sent, and heard in sums', async () => {
  const { room, heard, server } = await inAlice();
  const told: Record<string, number>[] = [];
  room.on('reactions', (counts) => told.push(counts));
  await room.react('heart');
  expect(server.requests('publish')).toMatchObject([{ room: 'alice', event: 'reaction', data: { kind: 'heart' } }]);
  server.answers.set('publish', () => ({ type: 'error', code: 'bad_request', message: 'a room takes at most 16 kinds' }));
  await expect(room.react('one more')).rejects.toMatchObject({ code: 'bad_request', temporary: false });
  const reactions = (counts: Record<string, number>, name = 'alice') => ({ type: 'reactions', room: name, counts });
  server.say(reactions({ heart: 12, '👏': 3 }), reactions({ heart: 1 }, 'another room'), reactions({ wow: 1 }));
  expect(told).toEqual([{ heart: 12, '👏': 3 }, { wow: 1 }]);
  expect(heard, 'they are no events').toEqual([]);
});

test('during a move, reactions of one place count', async () => {
  const { client, room, server } = await inAlice();
  const told: Record<string, number>[] = [];
  room.on('reactions', (counts) => told.push(counts));
  const other = client.join('bob');
  await other.ready;
  let answerBob: (() => void) | undefined;
  FakeSocket.onCreate = (socket) => {
    socket.answers.set('join', (request) => {
      if (request['room'] === 'alice') return joined(request);
      answerBob = () => socket.say({ ...joined(request), re: request['id'] });
      return undefined;
    });
    socket.accept();
  };
  server.say({ type: 'reconnect', after_ms: 0, reason: 'drain' });
  await settle();
  await settle();
  for (const place of [server, FakeSocket.last]) place.say({ type: 'reactions', room: 'alice', counts: { heart: 1 } });
  expect(told).toEqual([{ heart: 1 }]);
  answerBob?.();
  await settle();
});

const ice = (name: string) => [{ urls: [`turn:${name}`], username: 'u', credential: 'c' }];
const signal = (kind: string, room = 'alice') => ({ type: 'signal', room, from: 'n1-b', user: { id: 'bob', name: 'Bob' }, session: 's', kind });

test('signals are heard and sent, and the newest servers are known', async () => {
  const { room, server } = await inAlice('streamer');
  const heard: string[] = [];
  room.on('signal', ({ kind, from }) => heard.push(`${kind} of ${from}`));
  server.say(signal('request'), signal('candidate', 'another room'));
  expect(heard).toEqual(['request of n1-b']);
  await room.signal('n1-b', 's', 'offer', { type: 'offer', sdp: 'v=0' });
  expect(server.requests('signal')).toMatchObject([{ room: 'alice', to: 'n1-b', session: 's', kind: 'offer', data: { sdp: 'v=0' } }]);

  expect(room.iceServers).toEqual([]);
  server.say({ type: 'ice_servers', ice_servers: ice('new') });
  expect(room.iceServers).toEqual(ice('new'));
  await comeBack(server, (request) => joined(request, { ice_servers: ice('newest') }));
  expect(room.iceServers).toEqual(ice('newest'));
});

test('during a move, a signal to the place that is being left counts, as long as that is there', async () => {
  const client = newClient();
  await client.connect();
  const rooms = ['alice', 'bob'].map((name) => client.join(name));
  await Promise.all(rooms.map(({ ready }) => ready));
  const heard: string[] = [];
  rooms[0]!.on('signal', ({ kind }) => heard.push(kind));
  const old = FakeSocket.last;
  let answerBob: (() => void) | undefined;
  FakeSocket.onCreate = (socket) => {
    socket.answers.set('join', (request) => {
      if (request['room'] === 'alice') return joined(request);
      answerBob = () => socket.say({ ...joined(request), re: request['id'] });
      return undefined;
    });
    socket.accept();
  };
  old.say({ type: 'reconnect', after_ms: 0, reason: 'drain' });
  await settle();
  await settle();
  expect(old.closedByClient, 'the other room is not joined yet').toBe(false);
  old.say(signal('offer'), chat(11, 'is counted elsewhere'));
  FakeSocket.last.say(signal('candidate'));
  expect(heard).toEqual(['offer', 'candidate']);
  answerBob?.();
  await settle();
  expect(old.closedByClient).toBe(true);
});

test('a moderator acts, and everybody hears of it', async () => {
  const { room, server } = await inAlice();
  const heard: unknown[] = [];
  room.on('chat', ({ data }) => heard.push(data.text));
  room.on('deleted', ({ data }) => heard.push(data));
  room.on('slow', (seconds) => heard.push(seconds));
  await room.moderate({ action: 'ban', user: 'eve', seconds: 3600, reason: 'spam' });
  expect(server.requests('moderate')).toMatchObject([{ room: 'alice', action: 'ban', user: 'eve', seconds: 3600, reason: 'spam' }]);
  server.say(chat(11, 'hello'), event(12, 'chat.deleted', { offset: 11 }), event(13, 'room.updated', { slow_seconds: 10 }));
  server.say(event(14, 'member.banned', { user: { id: 'eve' }, until: 9000 }));
  expect(heard).toEqual(['hello', { offset: 11 }, 10]);
  expect(room.slowSeconds).toBe(10);

  heard.length = 0;
  await comeBack(server, (request) =>
    joined(request, { recovered: true, offset: 16, events: [event(15, 'chat', { text: '', deleted: true }), chat(16, 'bye')] }),
  );
  expect(heard).toEqual([0, 'bye']);
});

test('how slow chat is comes with the room', async () => {
  const { room, server } = await inAlice();
  const heard: number[] = [];
  room.on('slow', (seconds) => heard.push(seconds));
  await comeBack(server, (request) => joined(request, { slow_seconds: 30 }));
  expect(room.slowSeconds).toBe(30);
  expect(heard).toEqual([30]);
});

test('a page of members says how it goes on, and whether somebody may be missing', async () => {
  const { room, server } = await inAlice();
  expect(await room.members()).toEqual({ members: [], partial: false });
  const members = [{ id: 'one-1', user: { id: 'bob', name: 'Bob' }, role: 'viewer' }];
  server.answers.set('members', () => ({ type: 'ok', members, next: 'one-1', partial: true }));
  expect(await room.members({ first: 1 })).toEqual({ members, next: 'one-1', partial: true });
});
