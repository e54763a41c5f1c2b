import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { FakeSocket, newClient, resetSockets } from './fake.ts';

const page = { network: true };

beforeEach(() => {
  vi.useFakeTimers();
  resetSockets();
  vi.stubGlobal('window', new EventTarget());
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

test('a closed client listens to the page no longer', async () => {
  const client = newClient();
  await client.connect();
  client.close();
  happens('pageshow', { persisted: true });
  happens('online');
  await settle();
  expect(FakeSocket.all).toHaveLength(1);
});
