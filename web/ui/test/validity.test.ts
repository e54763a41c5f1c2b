import { afterEach, expect, test, vi } from 'vitest';
import { askAbout, refusal, type Validity } from '../src/pages/studio/validity.ts';

afterEach(() => void vi.unstubAllGlobals());

const alice = { id: 'alice', name: 'Alice' };
const soon = Date.parse('2026-01-01T12:00:00Z');
const good: Validity = { user: alice, grants: [{ room: 'demo', role: 'streamer' }], expires_at: '2026-01-01T13:00:00Z' };
const wanted = { room: 'demo', user: 'alice', longerThan: soon };

test('a token that goes on where the last one ends is taken', () => {
  expect(refusal(good, wanted)).toBeUndefined();
  expect(refusal({ ...good, grants: [{ room: 'de*', role: 'streamer' }] }, wanted)).toBeUndefined();
  expect(refusal({ ...good, grants: [{ room: '*', role: 'viewer' }, { room: '*', role: 'streamer' }] }, wanted)).toBeUndefined();
});

test.each<[string, Partial<Validity>, string]>([
  ['of somebody else', { user: { id: 'bob', name: 'Bob' } }, 'This token is for Bob, and you are somebody else here.'],
  ['that only lets watch', { grants: [{ room: 'demo', role: 'viewer' }] }, 'This token does not let you broadcast in demo.'],
  ['for another room', { grants: [{ room: 'dem', role: 'streamer' }] }, 'This token does not let you broadcast in demo.'],
  ['that ends as soon', { expires_at: '2026-01-01T12:00:00Z' }, 'This token does not last longer than the one you have.'],
])('a token %s is not, and it is said why', (_name, change, want) => {
  expect(refusal({ ...good, ...change }, wanted)).toBe(want);
});

test('after the end of the last one any later end will do, and before the first connection any user', () => {
  expect(refusal(good, { room: 'demo', user: undefined, longerThan: undefined })).toBeUndefined();
});

const answer = (status: number, body: object) => vi.stubGlobal('fetch', async () => Response.json(body, { status }));

test('the server is asked what a token says', async () => {
  answer(200, good);
  expect(await askAbout('token')).toEqual(good);
});

test.each([
  [401, 'This token is refused: the token has expired.'],
  [403, 'This token is refused: the token has expired.'],
  [503, 'The server admits nobody at the moment. Try again in a little while.'],
  [502, 'The server could not be reached to check this token. Try again.'],
])('an answer with status %i is told in words', async (status, want) => {
  answer(status, { code: 'x', detail: 'the token has expired' });
  expect(await askAbout('token')).toBe(want);
});

test('so is none', async () => {
  vi.stubGlobal('fetch', () => Promise.reject(new TypeError('offline')));
  expect(await askAbout('token')).toContain('could not be reached');
});
