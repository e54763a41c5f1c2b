import { expect, test } from 'vitest';
import { rightsIn } from '../../src/room/rights.ts';

const encode = (value: unknown) =>
  btoa(String.fromCharCode(...new TextEncoder().encode(JSON.stringify(value)))).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
const token = (payload: unknown) => `${encode({ alg: 'HS256' })}.${encode(payload)}.c2lnbmF0dXJl`;
const rights = (payload: unknown) => rightsIn(token(payload), 'alice');
const grant = (room: string, role: string, can?: string[]) => ({ room, role, ...(can && { can }) });

test.each([
  ['a viewer', { grants: [grant('alice', 'viewer')] }, 'viewer', false],
  ['a moderator of the room', { grants: [grant('alice', 'moderator')] }, 'moderator', true],
  ['a moderator of rooms that begin so', { grants: [grant('al*', 'moderator')] }, 'moderator', true],
  ['a moderator of all rooms', { grants: [grant('*', 'moderator')] }, 'moderator', true],
  ['a moderator of another room', { grants: [grant('bob', 'moderator'), grant('*', 'viewer')] }, 'viewer', false],
  ['a moderator of a room with a longer name', { grants: [grant('alice2', 'moderator')] }, 'viewer', false],
  ['the streamer, who watches as anybody does', { grants: [grant('alice', 'streamer')] }, 'viewer', true],
  ['an administrator', { scope: 'directory admin' }, 'moderator', true],
  ['a backend', { scope: 'service', grants: [grant('alice', 'viewer')] }, 'viewer', true],
  ['a token of nothing', {}, 'viewer', false],
])('%s', (_who, payload, role, moderates) => {
  expect(rights(payload)).toMatchObject({ role, moderates });
});

test('what all grants that count leave out is not offered', () => {
  expect(rights({ grants: [grant('alice', 'viewer', ['react'])] })).toMatchObject({ chat: false, react: true });
  expect(rights({ grants: [grant('alice', 'viewer', ['react']), grant('*', 'viewer')] })).toMatchObject({ chat: true });
  expect(rights({ grants: [grant('alice', 'viewer', [])] })).toMatchObject({ chat: false, react: false });
  expect(rights({ grants: [grant('alice', 'viewer', ['*'])] })).toMatchObject({ chat: true });
  expect(rights({ grants: [grant('alice', 'moderator', ['chat']), grant('alice', 'viewer')] })).toMatchObject({ react: false });
});

test('only scopes go above the streamer', () => {
  expect(rights({ grants: [grant('*', 'moderator')] }).overStreamer).toBe(false);
  expect(rights({ scope: 'service' }).overStreamer).toBe(true);
});

test('names in any script, and the end of the token', () => {
  const payload = { name: 'Zoë 🎉', exp: 1_790_000_000, grants: [grant('alice', 'moderator')] };
  expect(rights(payload)).toMatchObject({ moderates: true, expires: 1_790_000_000_000 });
});

test.each(['', 'x', 'a.b.c', `.${encode(null)}.`, `.${encode({ grants: 'all', scope: 7, exp: '1' })}.`, `.${encode({ grants: [null, { room: 1 }] })}.`])(
  'what is no token, %j, is taken for a viewer’s',
  (odd) => {
    expect(rightsIn(odd, 'alice')).toEqual({ role: 'viewer', moderates: false, overStreamer: false, chat: true, react: true });
  },
);
