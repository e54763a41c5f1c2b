import { TallylightError, type EventMessage } from '@tallylight/client';
import { expect, test } from 'vitest';
import { lasting } from '../../src/room/lasting.ts';
import { linesOf } from '../../src/room/lines.ts';
import { offeredFor } from '../../src/room/offered.ts';
import { nextLineAt } from '../../src/room/pace.ts';
import { expulsionIn, isOver, isTooOld, sentenceIn } from '../../src/room/terms.ts';

const event = (name: string, data: unknown, from?: EventMessage['from']): EventMessage => ({
  type: 'event',
  room: 'alice',
  epoch: 'e',
  offset: 7,
  at: 1_000_000,
  event: name,
  data,
  ...(from && { from }),
});
const nameOf = (id: string) => (id === 'eve' ? 'Eve' : id);
const say = (name: string, data: unknown) => linesOf(event(name, data), nameOf).map(({ text }) => text);

test('in slow mode the next line may come so many seconds after the last one', () => {
  expect(nextLineAt({}, 30)).toBe(0);
  expect(nextLineAt({ saidAt: 1_000 }, 30)).toBe(31_000);
  expect(nextLineAt({ saidAt: 1_000 }, 0), 'it was ended').toBe(0);
});

test('what the server said about waiting counts, with or without slow mode', () => {
  expect(nextLineAt({ notBefore: 5_000 }, 0)).toBe(5_000);
  expect(nextLineAt({ saidAt: 1_000, notBefore: 40_000 }, 30)).toBe(40_000);
  expect(nextLineAt({ saidAt: 50_000, notBefore: 40_000 }, 30)).toBe(80_000);
});

test.each([
  [0.2, '0 seconds'],
  [1, '1 second'],
  [59.6, '1 minute'],
  [600, '10 minutes'],
  [599.7, '10 minutes'],
  [3_600, '1 hour'],
  [86_400, '24 hours'],
  [3 * 86_400, '3 days'],
  [-5, '0 seconds'],
])('%d s are said as %s', (seconds, said) => {
  expect(lasting(seconds)).toBe(said);
});

test('what moderators do is said in the chat', () => {
  expect(say('member.muted', { user: { id: 'eve' }, until: 1_600_000, reason: 'spam' })).toEqual(['Eve was muted for 10 minutes: spam']);
  expect(say('member.muted', { user: { id: 'eve' } })).toEqual(['Eve was muted']);
  expect(say('member.banned', { user: { id: 'mallory' }, until: 4_600_000 })).toEqual(['mallory was banned for 1 hour']);
  expect(say('member.unmuted', { user: { id: 'eve' } })).toEqual(['Eve may speak again']);
  expect(say('room.updated', { slow_seconds: 30 })).toEqual(['Chat is slow now: one line in 30 seconds each']);
  expect(say('room.updated', { slow_seconds: 0 })).toEqual(['Chat is as fast as before']);
});

test('a deleted line, an application’s event, and what has not the form it should have say nothing', () => {
  expect(say('chat', { text: '', deleted: true })).toEqual([]);
  expect(say('x.poll', {})).toEqual([]);
  expect(say('member.muted', { user: 'eve' })).toEqual([]);
});

test('what may be done about a line', () => {
  const bob = { user: 'bob', streamer: 'alice', overStreamer: false };
  const line = (id?: string) => ({ offset: 1, at: 0, text: 'x', from: { name: 'X', role: 'viewer' as const, ...(id && { id }) } });
  expect(offeredFor(line('eve'), bob)).toEqual(['delete', 'mute', 'kick', 'ban']);
  expect(offeredFor(line('bob'), bob), 'nobody acts upon themselves').toEqual(['delete']);
  expect(offeredFor(line('alice'), bob), 'nor upon the streamer').toEqual(['delete']);
  expect(offeredFor(line('alice'), { ...bob, overStreamer: true })).toEqual(['delete', 'mute', 'kick', 'ban']);
  expect(offeredFor(line(), bob), 'no user said it').toEqual(['delete']);
  const [muted] = linesOf(event('member.muted', { user: { id: 'eve' } }), nameOf);
  expect(offeredFor(muted!, bob)).toEqual(['unmute']);
  expect(offeredFor(linesOf(event('live.started', { broadcast: { id: 'b', started_at: 0, version: 1 } }), nameOf)[0]!, bob)).toEqual([]);
});

test('what a refusal says of a mute or a ban', () => {
  const of = (message: string, code = 'forbidden') => sentenceIn(new TallylightError(code, message));
  const until = Date.parse('2026-01-31T12:00:00Z');
  expect(of('you are muted')).toEqual({ what: 'muted' });
  expect(of('you are muted: loud')).toEqual({ what: 'muted', why: 'loud' });
  expect(of('you are banned until 2026-01-31T12:00:00Z: spam: much')).toEqual({ what: 'banned', until, why: 'spam: much' });
  expect(of('the token does not allow it')).toBeUndefined();
  expect(of('you are banned', 'unauthorized')).toBeUndefined();
  expect(sentenceIn(new Error('you are banned'))).toBeUndefined();
});

test('a term is over at its end, and without one never', () => {
  expect(isOver({ until: 5 }, 4)).toBe(false);
  expect(isOver({ until: 5 }, 5)).toBe(true);
  expect(isOver({}, 1e15)).toBe(false);
});

test('who was put out is told by the close, or by the answer to the next join', () => {
  const refused = (message: string) => new TallylightError('forbidden', message);
  expect(expulsionIn({ code: 'kicked', message: 'kicked: rude', why: 'rude' }, undefined)).toEqual({ what: 'kicked', why: 'rude' });
  expect(expulsionIn({ code: 'banned', message: '', until: 5 }, undefined)).toEqual({ what: 'banned', until: 5 });
  expect(expulsionIn(undefined, refused('you are banned: spam'))).toEqual({ what: 'banned', why: 'spam' });
  expect(expulsionIn({ code: 'unauthorized', message: 'you are banned: spam' }, undefined), 'from the whole service').toMatchObject({ what: 'banned' });
  expect(expulsionIn({ code: 'replaced', message: 'replaced' }, undefined)).toBeUndefined();
  expect(expulsionIn(undefined, refused('you are muted'))).toBeUndefined();
  expect(expulsionIn(undefined, undefined)).toBeUndefined();
});

test('a token that is too old is one that ended, before or while it was used', () => {
  expect(isTooOld({ code: 'token_expired', message: 'token expired' })).toBe(true);
  expect(isTooOld({ code: 'unauthorized', message: 'unauthorized: expired' })).toBe(true);
  expect(isTooOld({ code: 'unauthorized', message: 'unauthorized: signature' })).toBe(false);
  expect(isTooOld({ code: 'revoked', message: 'revoked' })).toBe(false);
});
