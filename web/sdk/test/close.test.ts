import { readFileSync } from 'node:fs';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { closeRule, closeRules, expulsion, isExpulsion, type CloseAction } from '../src/close.ts';
import { FakeSocket, newClient, resetSockets } from './fake.ts';

beforeEach(() => {
  vi.useFakeTimers();
  resetSockets();
});
afterEach(() => void vi.useRealTimers());

// ---- the table

/** What the protocol document says to do after each code. */
const document = readFileSync(new URL('../../../signalling/PROTOCOL.md', import.meta.url), 'utf8');
const words: Record<string, CloseAction> = { 'at once': 'return', 'with a new token': 'new_token', 'stay away': 'stay_away' };
const documented = [...(document.split('## Close codes\n')[1]?.split('\n## ')[0] ?? '').matchAll(/^\| (\d{4}) \|.*\| ([a-z ]+) \|$/gm)].map(
  ([, code, comeBack]) => [Number(code), words[comeBack ?? '']] as const,
);

test('the table is that of the protocol document', () => {
  expect(documented.length).toBeGreaterThan(10);
  // 1000 is how a client says goodbye; of a server it means nothing, and is in no table.
  const { 1000: goodbye, ...rules } = closeRules;
  expect(Object.entries(rules).map(([code, { action }]) => [Number(code), action])).toEqual(documented);
  expect(goodbye?.action).toBe('return');
});

test('the table is that of the README', () => {
  const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8');
  const rows = [...readme.matchAll(/^\| (\d{4}) \| `(\w+)` \| (comes back \||comes back once with a new token|stops)/gm)];
  const actions: Record<string, CloseAction> = { 'comes back |': 'return', 'comes back once with a new token': 'new_token', stops: 'stay_away' };
  expect(rows.map(([, code, name, words]) => [Number(code), name, actions[words ?? '']])).toEqual(
    Object.entries(closeRules).map(([code, { name, action }]) => [Number(code), name, action]),
  );
});

test('no two codes have the same name', () => {
  const names = Object.values(closeRules).map(({ name }) => name);
  expect(new Set(names).size).toBe(names.length);
});

// ---- what a client does, code by code

const codesOf = (action: CloseAction): number[] =>
  Object.entries(closeRules).filter(([, rule]) => rule.action === action).map(([code]) => Number(code));

/** A client that was connected, and a token source that counts. Its delays are the longest of their range. */
async function connected(options: Parameters<typeof newClient>[0] = {}) {
  const token = vi.fn(async () => `token-${token.mock.calls.length}`);
  const client = newClient({ token, backoff: { random: () => 0.999999 }, ...options });
  await client.connect();
  return { client, token };
}

/** Codes of this table, of tables to come, and of those that nobody ever sends: RFC 6455 reserves 1005, 1006 and 1015. */
const lost = [1003, 1005, 1006, 1008, 1010, 1011, 1013, 1014, 1015, 3000, 4000, 4402, 4413, 4999];

test.each([...codesOf('return'), ...lost])('after %i it comes back, with the same token and after a random time', async (code) => {
  const { client, token } = await connected();
  FakeSocket.last.drop(code, '');
  expect(client.status).toEqual({ state: 'waiting', attempt: 1, retryAt: Date.now() + 499, reason: closeRule(code).words });
  await vi.advanceTimersByTimeAsync(498);
  expect(FakeSocket.all, 'no earlier than the delay that was drawn').toHaveLength(1);
  await vi.advanceTimersByTimeAsync(1);
  expect(client.status.state).toBe('connected');
  expect(FakeSocket.last.sent[0]).toMatchObject({ type: 'hello', token: 'token-1' });
  expect(token).toHaveBeenCalledTimes(1);
});

test.each(lost)('%i, which is in no table, counts as a loss', (code) => {
  expect(closeRule(code)).toMatchObject({ action: 'return', name: 'lost' });
});

test.each(codesOf('new_token'))('after %i it comes back with a new token', async (code) => {
  const { client, token } = await connected();
  FakeSocket.last.drop(code, '');
  expect(client.status).toMatchObject({ state: 'waiting', retryAt: Date.now() + 499 });
  expect(token, 'the new one is asked for when it is needed').toHaveBeenCalledTimes(1);
  await vi.advanceTimersByTimeAsync(499);
  expect(client.status.state).toBe('connected');
  expect(FakeSocket.last.sent[0]).toMatchObject({ type: 'hello', token: 'token-2' });
});

test.each(codesOf('new_token'))('with a fixed token, %i ends it', async (code) => {
  const { client } = await connected({ token: 'fixed' });
  FakeSocket.last.drop(code, 'because');
  expect(client.status).toEqual({ state: 'stopped', reason: { code: closeRule(code).name, message: 'because' } });
  await vi.advanceTimersByTimeAsync(120_000);
  expect(FakeSocket.all).toHaveLength(1);
});

test.each(codesOf('stay_away'))('after %i it stays away, until it is told to come back', async (code) => {
  const { client, token } = await connected();
  FakeSocket.last.drop(code, '');
  expect(client.status).toEqual({ state: 'stopped', reason: { code: closeRule(code).name, message: closeRule(code).words } });
  await vi.advanceTimersByTimeAsync(120_000);
  expect(FakeSocket.all).toHaveLength(1);
  expect(token).toHaveBeenCalledTimes(1);
  await client.connect();
  expect(client.status.state).toBe('connected');
});

test.each(codesOf('return'))('after %i at the sign-in it tries again, later and later', async (code) => {
  FakeSocket.onCreate = (socket) => {
    socket.answers.set('hello', () => {
      queueMicrotask(() => socket.drop(code, ''));
      return undefined;
    });
    socket.accept();
  };
  const client = newClient({ backoff: { random: () => 0.999999 } });
  void client.connect();
  const waits: number[] = [];
  for (let i = 0; i < 8; i++) {
    await vi.advanceTimersByTimeAsync(0);
    const wait = client.status.state === 'waiting' ? client.status.retryAt - Date.now() : NaN;
    waits.push(wait + 1);
    await vi.advanceTimersByTimeAsync(wait);
  }
  expect(waits).toEqual([500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]);
});

// ---- reasons

test.each([
  ['banned', {}],
  ['kicked', {}],
  ['banned: spam', { why: 'spam' }],
  ['kicked: until tomorrow: really', { why: 'until tomorrow: really' }],
  ['banned until 2026-01-31T12:00:00Z', { until: 1769860800000 }],
  ['banned until 2026-01-31T12:00:00Z: spam: a lot', { until: 1769860800000, why: 'spam: a lot' }],
  ['banned until 2026-13-31T12:00:00Z: spam', { why: 'spam' }],
  ['replaced by a newer connection', {}],
  ['', {}],
])('%j says %j', (reason, said) => {
  expect(expulsion(reason)).toEqual(said);
});

test('who was put out is told by two codes', () => {
  expect([4403, 4410, 4411, 4412, 4413].filter(isExpulsion)).toEqual([4411, 4412]);
});
