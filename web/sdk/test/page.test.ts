import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { FakeSocket, newClient, resetSockets } from './fake.ts';

const page = { network: true, visibility: 'visible' };

beforeEach(() => {
  vi.useFakeTimers();
  resetSockets();
  Object.assign(page, { network: true, visibility: 'visible' });
  vi.stubGlobal('window', new EventTarget());
  vi.stubGlobal(
    'document',
    Object.defineProperty(new EventTarget(), 'visibilityState', { get: () => page.visibility }),
  );
  vi.stubGlobal('navigator', {
    get onLine() {
      return page.network;
    },
  });
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

const settle = () => vi.advanceTimersByTimeAsync(0);

function happens(name: string, properties: object = {}): void {
  window.dispatchEvent(Object.assign(new Event(name), properties));
}

test('a page that is left says goodbye at once', async () => {
  const client = newClient();
  await client.connect();
  happens('pagehide');
  expect(FakeSocket.last.closedByClient).toBe(true);
  await vi.advanceTimersByTimeAsync(120_000);
  expect(FakeSocket.all).toHaveLength(1);
  expect(client.status.state).toBe('idle');
});

test('a page that comes back out of the cache connects again, and joins its rooms from where they were', async () => {
  const client = newClient();
  await client.connect();
  await client.join('alice').ready;
  happens('pagehide');
  happens('pageshow', { persisted: true });
  await settle();
  expect(client.status.state).toBe('connected');
  expect(FakeSocket.last.requests('join')).toMatchObject([{ room: 'alice', since: { offset: 10 } }]);
});

test('the pageshow of a page that just loaded is nothing', async () => {
  const client = newClient();
  await client.connect();
  happens('pageshow', { persisted: false });
  await settle();
  expect(FakeSocket.all).toHaveLength(1);
});

test('when the network is back there is no waiting', async () => {
  const client = newClient({ backoff: { baseMs: 60_000, capMs: 60_000 } });
  await client.connect();
  page.network = false;
  FakeSocket.last.drop(1006);
  happens('offline');
  await settle();
  expect(FakeSocket.all).toHaveLength(1);
  page.network = true;
  happens('online');
  await settle();
  expect(client.status.state).toBe('connected');
});

test('when the network changes under a connection it is looked after at once', async () => {
  const client = newClient();
  await client.connect();
  happens('online');
  expect(FakeSocket.last.requests('heartbeat')).toHaveLength(1);
});

function turns(visibility: 'visible' | 'hidden'): void {
  page.visibility = visibility;
  document.dispatchEvent(new Event('visibilitychange'));
}

test('a page that goes to the back, or comes to the front, beats at once', async () => {
  const client = newClient();
  await client.connect();
  turns('hidden');
  expect(FakeSocket.last.requests('heartbeat')).toHaveLength(1);
  turns('visible');
  expect(FakeSocket.last.requests('heartbeat')).toHaveLength(2);
});

test('a connection that died while the page slept is found dead when it comes to the front', async () => {
  const client = newClient();
  await client.connect();
  const dead = FakeSocket.last;
  dead.answers.set('heartbeat', () => undefined);
  turns('visible');
  await vi.advanceTimersByTimeAsync(10_000 + 500);
  expect(dead.closedByClient).toBe(true);
  expect(FakeSocket.all).toHaveLength(2);
  expect(client.status.state).toBe('connected');
});

test('a page that comes to the front waits no longer, one that goes to the back does', async () => {
  const client = newClient({ backoff: { baseMs: 60_000, capMs: 60_000, random: () => 0.5 } });
  await client.connect();
  FakeSocket.last.drop(1006);
  turns('hidden');
  await settle();
  expect(FakeSocket.all).toHaveLength(1);
  turns('visible');
  await settle();
  expect(client.status.state).toBe('connected');
  await vi.advanceTimersByTimeAsync(60_000);
  expect(FakeSocket.all, 'the attempt that was planned is not made').toHaveLength(2);
});

test.each(['online', 'visibilitychange'])('%s brings nobody back before the time that the server named', async (name) => {
  FakeSocket.onCreate = (socket) => socket.refuse();
  const client = newClient({ fetch: async () => new Response('', { status: 503, headers: { 'Retry-After': '7' } }) });
  void client.connect();
  await settle();
  const look = () => (name === 'online' ? happens('online') : turns('visible'));
  await vi.advanceTimersByTimeAsync(6_999);
  look();
  await settle();
  expect(FakeSocket.all).toHaveLength(1);
  await vi.advanceTimersByTimeAsync(1);
  look();
  await settle();
  expect(FakeSocket.all, 'but then without any more delay').toHaveLength(2);
});

test('a closed client listens to the page no longer', async () => {
  const client = newClient();
  await client.connect();
  client.close();
  happens('pageshow', { persisted: true });
  happens('online');
  turns('visible');
  await settle();
  expect(FakeSocket.all).toHaveLength(1);
});
