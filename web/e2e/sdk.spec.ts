import { TallylightClient, type Room, type Streamer } from '../sdk/src/index.ts';
import { expect, test } from './fixtures.ts';

/** A person with an app instead of a browser. */
class Person {
  readonly client: TallylightClient;
  readonly room: Room;
  readonly said: string[] = [];

  constructor(link: string, role: 'viewer' | 'streamer') {
    const { origin, hash } = new URL(link);
    this.client = new TallylightClient({ url: origin, token: hash.replace('#token=', '') });
    this.room = this.client.join('demo', { role });
    this.room.on('chat', ({ data }) => this.said.push(data.text));
    void this.client.connect();
  }

  async wantState(state: Streamer['state'], timeout = 5_000): Promise<Streamer> {
    await expect.poll(() => this.room.streamer.state, { timeout }).toBe(state);
    return this.room.streamer;
  }
}

test('an app goes live, is seen, is missed, and comes back', async ({ node }) => {
  const alice = new Person(node.links.studio, 'streamer');
  await alice.room.ready;
  const bob = new Person(node.links.watch, 'viewer');
  await bob.wantState('online');

  const broadcast = await alice.room.start({ title: 'Ink', tags: ['calm'], window_ms: 10_000 });
  const live = await bob.wantState('live');
  expect(live.broadcast).toEqual(broadcast);
  expect(live.user).toEqual({ id: 'alice', name: 'Alice' });
  await expect(alice.room.start({ title: 'again' }), 'it may be repeated').resolves.toMatchObject({ id: broadcast.id });

  await alice.room.update({ title: 'Pencil' });
  await expect.poll(() => bob.room.streamer.broadcast?.title).toBe('Pencil');
  expect(bob.room.streamer.broadcast?.tags).toEqual(['calm']);

  await bob.room.chat('Good morning!');
  await expect.poll(() => alice.said).toEqual(['Good morning!']);
  const { members } = await alice.room.members();
  expect(members.map(({ user, role }) => `${user.name}: ${role}`).sort()).toEqual(['Alice: streamer', 'Bob: viewer']);

  alice.client.close();
  const away = await bob.wantState('reconnecting');
  expect(away.until).toBeGreaterThan(bob.client.now() + 5_000);
  const back = new Person(node.links.studio, 'streamer');
  expect((await bob.wantState('live')).broadcast?.id).toBe(broadcast.id);

  await back.room.leave();
  await bob.wantState('offline');
  back.client.close();
  bob.client.close();
});

test('what the server refuses comes as a typed error', async ({ node }) => {
  const bob = new Person(node.links.watch, 'viewer');
  await bob.room.ready;
  await expect(bob.room.start()).rejects.toMatchObject({ code: 'forbidden' });
  await expect(bob.room.publish('fireworks', {})).rejects.toMatchObject({ code: 'bad_request' });
  await expect(bob.room.chat('x'.repeat(501))).rejects.toMatchObject({ code: 'too_large' });
  await expect(bob.client.join('somewhere-else').ready).rejects.toMatchObject({ code: 'forbidden' });

  const mallory = new TallylightClient({ url: new URL(node.links.live).origin, token: 'forged' });
  await expect(mallory.connect()).rejects.toMatchObject({ code: 'unauthorized' });
  bob.client.close();
});

test('a newer connection of the same streamer takes over', async ({ node }) => {
  const first = new Person(node.links.studio, 'streamer');
  await first.room.ready;
  const broadcast = await first.room.start();
  const second = new Person(node.links.studio, 'streamer');
  expect((await second.wantState('live')).broadcast?.id).toBe(broadcast.id);
  await expect.poll(() => first.client.status).toMatchObject({ state: 'stopped', reason: { code: 'replaced' } });
  second.client.close();
});

test('through the restart of its node a client stays as long as it can, and is back with a snapshot', async ({ start }) => {
  const secret = ['--jwt-secret', 'a-secret-that-outlives-the-node-0123456789'];
  const before = await start('--drain', '1s', ...secret);
  const bob = new Person(before.links.watch, 'viewer');
  const states: string[] = [];
  const snapshots: boolean[] = [];
  await bob.room.ready;
  bob.client.on('status', ({ state }) => states.push(state));
  bob.room.on('joined', ({ recovered }) => snapshots.push(recovered));

  before.drain();
  // There is no other node to go to: the old connection is kept until the node closes it.
  await expect.poll(() => bob.client.status.state, { timeout: 10_000 }).toBe('waiting');
  expect(states[0]).toBe('waiting');
  await before.stop();

  const { host } = new URL(before.links.live);
  await start('--listen', host, ...secret);
  await expect.poll(() => bob.client.status.state, { timeout: 20_000 }).toBe('connected');
  await expect.poll(() => snapshots).toEqual([false]);
  bob.client.close();
});
