import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { asServerMessage, clientGuards, isEventOf, isLiveEvent, type EventMessage } from '../src/messages.ts';

// The same samples are read by the server's tests.
const folder = new URL('../../../signalling/testdata/messages/', import.meta.url);
const samples = readdirSync(folder).map((file) => ({ file, json: readFileSync(new URL(file, folder), 'utf8') }));

/** `server.ok.live.start.json`, `server.event.chat.json`: the type, then what variant of it is shown. */
function known(file: string): boolean {
  return /^(client|server)\.[a-z._]+\.json$/.test(file);
}

test('there are samples, and none of an unknown kind', () => {
  expect(samples.length).toBeGreaterThan(20);
  expect(samples.map(({ file }) => file).filter((file) => !known(file))).toEqual([]);
});

const fromClient = samples.filter(({ file }) => file.startsWith('client.'));
const fromServer = samples.filter(({ file }) => file.startsWith('server.'));

test.each(fromClient)('$file is a message that a client may send', ({ file, json }) => {
  const message = JSON.parse(json) as { type: keyof typeof clientGuards };
  expect(clientGuards, 'a type without a guard').toHaveProperty([message.type]);
  expect(clientGuards[message.type](message)).toBe(true);
  expect(file).toMatch(new RegExp(`^client\\.${message.type}(\\.[a-z_.]+)?\\.json$`));
});

test.each(fromServer)('$file is a message that a client understands', ({ file, json }) => {
  const message = asServerMessage(JSON.parse(json));
  expect(message, 'no guard, or one that says no').toBeDefined();
  expect(file).toMatch(new RegExp(`^server\\.${message?.type}(\\.[a-z_.]+)?\\.json$`));
});

test('every client message has a sample', () => {
  const shown = new Set(fromClient.map(({ json }) => (JSON.parse(json) as { type: string }).type));
  expect(Object.keys(clientGuards).filter((type) => !shown.has(type))).toEqual([]);
});

const events = fromServer
  .map(({ json }) => JSON.parse(json) as EventMessage)
  .filter(({ type, event }) => type === 'event' && !event.startsWith('x.'));

test.each(events)('the data of $event is what its name says', (event) => {
  expect(isEventOf(event, event.event as 'chat')).toBe(true);
  expect(isLiveEvent(event)).toBe(event.event.startsWith('live.'));
});

test.each([
  ['no object', 7],
  ['no type', {}],
  ['an unknown type', { type: 'fireworks' }],
  ['a type that is a property of every object', { type: 'toString' }],
  ['a missing field', { type: 'viewers', room: 'alice' }],
  ['a field of the wrong type', { type: 'viewers', room: 'alice', connections: 'many' }],
  ['counts that are none', { type: 'reactions', room: 'alice', counts: { heart: 'many' } }],
  ['a list of counts', { type: 'reactions', room: 'alice', counts: [1] }],
])('%s is no message', (_name, value) => {
  expect(asServerMessage(value)).toBeUndefined();
});
