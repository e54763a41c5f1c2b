import { expect, test, vi } from 'vitest';
import { endpoint } from '../src/endpoint.ts';
import { retryAfterMs, validate } from '../src/validate.ts';

test.each([
  ['http://127.0.0.1:8080', 'ws://127.0.0.1:8080/v1/ws', 'http://127.0.0.1:8080/v1/validate'],
  ['https://live.example/', 'wss://live.example/v1/ws', 'https://live.example/v1/validate'],
  ['wss://live.example/v1/ws', 'wss://live.example/v1/ws', 'https://live.example/v1/validate'],
  ['https://example.org/live/?x#token=secret', 'wss://example.org/live/v1/ws', 'https://example.org/live/v1/validate'],
])('the addresses below %s', (base, socket, validateUrl) => {
  expect(endpoint(base)).toEqual({ socket, validate: validateUrl });
});

test.each([
  [null, 0],
  ['', 0],
  ['3', 3000],
  ['-3', 0],
  ['Thu, 01 Jan 1970 00:00:30 GMT', 20_000],
  ['soon', 0],
])('Retry-After: %s', (header, want) => {
  expect(retryAfterMs(header, 10_000)).toBe(want);
});

test.each([
  ['a good token', Response.json({}), { kind: 'valid' }],
  [
    'a bad token',
    Response.json({ code: 'unauthorized', detail: 'the token has expired' }, { status: 401 }),
    { kind: 'refused', code: 'unauthorized', message: 'the token has expired' },
  ],
  [
    'a proxy that knows no problem documents',
    new Response('<html>', { status: 401 }),
    { kind: 'refused', code: 'unauthorized', message: 'the token was refused' },
  ],
  [
    'a node that is draining',
    new Response('', { status: 503, headers: { 'Retry-After': '2' } }),
    { kind: 'busy', retryAfterMs: 2000 },
  ],
  ['a proxy without a node', new Response('', { status: 502 }), { kind: 'unknown' }],
])('the verdict of %s', async (_name, response, want) => {
  const fetch = vi.fn(async () => response);
  expect(await validate('http://x/v1/validate', 't', fetch)).toEqual(want);
  expect(fetch).toHaveBeenCalledWith('http://x/v1/validate', expect.objectContaining({ headers: { Authorization: 'Bearer t' } }));
});

test('no network, no verdict', async () => {
  expect(await validate('http://x', 't', () => Promise.reject(new TypeError('failed')))).toEqual({ kind: 'unknown' });
});
