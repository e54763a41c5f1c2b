import { TallylightClient, type ClientOptions } from '../src/client.ts';
import type { Broadcast, EventMessage, JoinedMessage, Position } from '../src/messages.ts';
import { PlainTimers } from '../src/timers.ts';

type Json = Record<string, unknown>;

/** The server's side of one socket: what the client sent, and a hand to answer with. */
export class FakeSocket {
  static readonly all: FakeSocket[] = [];
  /** What a new socket does by itself; a test that wants something else replaces it. */
  static onCreate: (socket: FakeSocket) => void = (socket) => socket.accept();

  static get last(): FakeSocket {
    const last = FakeSocket.all.at(-1);
    if (!last) throw new Error('no socket was opened');
    return last;
  }

  readyState = 0;
  onopen: (() => void) | null = null;
  onclose: ((event: { code: number; reason: string }) => void) | null = null;
  onmessage: ((event: { data: string }) => void) | null = null;
  onerror: (() => void) | null = null;

  readonly sent: Json[] = [];
  closedByClient = false;
  /** Answers of the server by the type of the request; `undefined` leaves it without one. */
  readonly answers = new Map<string, (request: Json) => Json | undefined>([
    ['hello', () => welcome(`n${FakeSocket.all.length}`)], // each leads to another node
    ['heartbeat', () => ({ type: 'heartbeat', now: Date.now() })],
    ['join', (request) => joined(request)],
  ]);

  constructor(readonly url: string, readonly protocols: string[]) {
    FakeSocket.all.push(this);
    FakeSocket.onCreate(this);
  }

  accept(): void {
    queueMicrotask(() => {
      this.readyState = 1;
      this.onopen?.();
    });
  }

  refuse(): void {
    queueMicrotask(() => this.drop(1006));
  }

  send(text: string): void {
    const request = JSON.parse(text) as Json;
    this.sent.push(request);
    const answer = this.answers.get(String(request['type'])) ?? (() => ({ type: 'ok' }));
    const reply = answer(request);
    if (reply) queueMicrotask(() => this.say({ ...reply, re: request['id'] }));
  }

  close(): void {
    this.closedByClient = true;
    this.readyState = 3;
  }

  /** Sends objects to the client in one frame. */
  say(...objects: Json[]): void {
    this.onmessage?.({ data: objects.map((object) => JSON.stringify(object)).join('\n') });
  }

  /** Ends the connection from the server's side. */
  drop(code: number, reason = ''): void {
    this.readyState = 3;
    this.onclose?.({ code, reason });
  }

  requests(type: string): Json[] {
    return this.sent.filter((request) => request['type'] === type);
  }
}

export function resetSockets(): void {
  FakeSocket.all.length = 0;
  FakeSocket.onCreate = (socket) => socket.accept();
}

/** A client of the fake sockets whose delays are half of their bounds. */
export function newClient(options: Partial<ClientOptions> = {}): TallylightClient {
  return new TallylightClient({
    url: 'http://node.test',
    token: 'token-1',
    backoff: { random: () => 0.5 },
    webSocket: FakeSocket as unknown as typeof WebSocket,
    fetch: async () => new Response('', { status: 502 }),
    timers: () => new PlainTimers(),
    ...options,
  });
}

export function welcome(node = 'n1'): Json {
  return {
    type: 'welcome',
    connection: 'n1-a',
    node,
    user: { id: 'bob', name: 'Bob' },
    heartbeat_ms: 50_000,
    ping_ms: 20_000,
    limits: {},
    expires_at: Date.now() + 3_600_000,
    now: Date.now(),
  };
}

export function joined(request: Json, changes: Partial<JoinedMessage> = {}): Json {
  const since = request['since'] as Position | undefined;
  return {
    type: 'joined',
    room: request['room'],
    role: request['role'],
    member: 'n1-a',
    epoch: since?.epoch ?? 'e1',
    offset: since?.offset ?? 10,
    recovered: since !== undefined,
    events: [],
    streamer: { state: 'offline' },
    viewers: { connections: 1 },
    ...changes,
  };
}

export function broadcast(version = 1, id = 'b1'): Broadcast {
  return { id, version, title: 'Ink', started_at: 1000 };
}

export function event(offset: number, name: string, data: unknown, epoch = 'e1'): EventMessage & Json {
  return { type: 'event', room: 'alice', epoch, offset, event: name, at: 1000 + offset, data };
}

export function chat(offset: number, text: string, epoch = 'e1'): EventMessage & Json {
  return event(offset, 'chat', { text }, epoch);
}
