import type { EventMessage, JoinedMessage, Member } from '@tallylight/client';
import { expect, test } from 'vitest';
import { entryOf } from '../src/pages/admin/room/entries.ts';
import { Log } from '../src/pages/admin/room/log.ts';
import { peopleOf } from '../src/pages/admin/room/people.ts';

function event(offset: number, name: string, data: unknown, more: Partial<EventMessage> = {}): EventMessage {
  return { type: 'event', room: 'demo', epoch: 'e', offset, at: 0, event: name, data, ...more };
}

const ana = { id: 'ana', name: 'Ana', role: 'viewer' } as const;
const chat = (offset: number, text: string) => event(offset, 'chat', { text }, { from: ana });

function joined(more: Partial<JoinedMessage>): JoinedMessage {
  return {
    type: 'joined',
    room: 'demo',
    role: 'moderator',
    member: 'm',
    epoch: 'e',
    offset: 0,
    recovered: false,
    events: [],
    streamer: { state: 'offline' },
    viewers: { connections: 0 },
    ...more,
  };
}

const texts = (log: Log) => log.entries.map(({ text }) => text);

test('the newest is first, the last chat was there before, and there is a bound', () => {
  const log = new Log(4);
  log.join(joined({ chat: [chat(1, 'one'), chat(2, 'two')] }), 0);
  log.add(chat(3, 'three'));
  expect(texts(log)).toEqual(['three', 'two', 'one']);
  for (let n = 4; n < 1_000; n++) log.add(chat(n, String(n)));
  expect(texts(log)).toEqual(['999', '998', '997', '996']);
});

test('what was missed is said, and no line comes twice', () => {
  const log = new Log();
  log.join(joined({ chat: [chat(1, 'one')] }), 0);
  log.join(joined({ recovered: true, offset: 1 }), 0);
  expect(texts(log)).toEqual(['one']);
  log.join(joined({ chat: [chat(1, 'one'), chat(300, 'later')], offset: 300 }), 0);
  expect(log.entries).toHaveLength(3);
  expect(texts(log)[0]).toContain('lost');
  expect(texts(log).slice(1)).toEqual(['later', 'one']);
});

test('a deleted line keeps its place and loses its text', () => {
  const log = new Log();
  log.add(chat(1, 'rude'));
  log.add(event(2, 'chat.deleted', { offset: 1 }));
  expect(log.entries[1]).toMatchObject({ who: 'Ana', text: '', deleted: true });
});

test.each([
  [event(1, 'live.started', { broadcast: { id: 'b', started_at: 0, version: 1, title: 'Ink' } }), 'broadcast', 'On air: Ink'],
  [event(1, 'live.ended', { broadcast: { id: 'b', started_at: 0, version: 1 }, reason: 'left' }), 'broadcast', 'Off air: the streamer left'],
  [event(1, 'member.banned', { user: { id: 'ben' }, reason: 'spam' }), 'moderation', 'ben is banned: spam'],
  [event(1, 'room.updated', { slow_seconds: 0 }), 'moderation', 'Chat is no longer slow'],
  [event(1, 'x.poll', { a: 1 }), 'application', 'x.poll {"a":1}'],
  [event(1, 'member.promoted', {}), 'application', 'member.promoted {}'],
])('%o is told', (message, kind, text) => {
  expect(entryOf(message)).toMatchObject({ kind, text });
});

test('what an application says at length is cut', () => {
  expect(entryOf(event(1, 'x.big', 'y'.repeat(5_000))).text.length).toBeLessThan(250);
});

test('a user with several connections is one person, the streamer first', () => {
  const member = (id: string, user: string, role: Member['role']): Member => ({ id, user: { id: user, name: user.toUpperCase() }, role });
  const people = peopleOf([member('1', 'zoe', 'viewer'), member('2', 'ben', 'viewer'), member('3', 'ana', 'viewer'), member('4', 'zoe', 'streamer'), member('5', 'mod', 'moderator')]);
  expect(people.map(({ id }) => id)).toEqual(['zoe', 'mod', 'ana', 'ben']);
  expect(people[0]).toEqual({ id: 'zoe', name: 'ZOE', roles: ['streamer', 'viewer'], connections: 2 });
});
