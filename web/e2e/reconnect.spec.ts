import { expect, test } from './fixtures.ts';
import { newWire } from './wire.ts';

test('a viewer whose connection breaks comes back and has missed nothing', async ({ node, open }) => {
  const wire = await newWire(node.links.live);
  const alice = await open(node.links.studio);
  const bob = await open(wire.through(node.links.watch));
  await alice.goLive('Storm');
  await bob.wantLamp('live');
  await alice.say('one');
  await expect(bob.chatLines.last()).toHaveText('one');

  wire.cut();
  await bob.wantConnection('waiting');
  await expect(bob.connection).toContainText('Reconnecting');
  await expect(bob.lamp).toContainText('The last that this page knows');
  await alice.say('two');
  await alice.say('three');
  wire.mend();
  await bob.wantConnection('connected', 20_000);
  await alice.say('four');
  await expect(bob.chatLines).toHaveText(['On air: Storm', 'one', 'two', 'three', 'four']);
  await bob.wantLamp('live');
  await wire.close();
});

test('a streamer whose connection breaks says so, and resumes', async ({ node, open }) => {
  const wire = await newWire(node.links.live);
  const alice = await open(wire.through(node.links.studio));
  const bob = await open(node.links.watch);
  await alice.goLive('Storm');
  await bob.wantLamp('live');

  wire.cut();
  await bob.wantLamp('reconnecting');
  await alice.wantLamp('unknown');
  await expect(alice.page.getByRole('button', { name: 'End broadcast' })).toBeDisabled();
  wire.mend();
  await bob.wantLamp('live', 15_000);
  await alice.wantLamp('live');
  await wire.close();
});
