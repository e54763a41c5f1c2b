import { TallylightClient } from '../sdk/src/index.ts';
import { expect, test } from './fixtures.ts';
import { mint } from './mint.ts';
import { newBalancer } from './nginx.ts';
import { secret } from './party.ts';

test('a broadcast as four people see it, on two nodes behind nginx, through a ban and the death of a node', async ({ startTogether, open }) => {
  test.setTimeout(180_000);
  const nodes = await startTogether(['one', 'two']);
  const { links } = nodes.one;
  const balancer = await newBalancer(nodes.one.links.live, nodes.two.links.live);
  try {
    const watchLink = balancer.through(links.watch).split('#')[0] ?? '';
    const viewer = (name: string) => mint(secret, '--user', name.toLowerCase(), '--name', name, '--viewer', 'demo');

    // Going live.
    const alice = await open(balancer.through(links.studio));
    const bob = await open(balancer.through(links.watch));
    const eve = await open(`${watchLink}#token=${viewer('Eve')}`);
    const admin = await open(balancer.through(links.admin));
    await alice.wantLamp('online');
    await bob.wantLamp('online');
    await alice.goLive('The whole story');
    for (const person of [alice, bob, eve]) await person.wantLamp('live');
    await expect(admin.liveRow('demo')).toContainText('The whole story');
    const broadcast = (await admin.liveRow('demo').getAttribute('data-broadcast')) ?? '';
    await expect(alice.page.getByTestId('viewers')).toHaveText('2');
    await expect(admin.page.getByTestId('total-viewers')).toHaveText('2');

    // Chat, and what is done about some of it.
    await bob.say('Good morning!');
    await eve.say('Buy my things');
    for (const person of [alice, bob, eve]) await expect(person.chatLines.last()).toHaveText('Buy my things');
    await alice.page.getByRole('button', { name: 'Moderate Eve' }).last().click();
    await alice.page.getByTestId('line-menu').getByRole('menuitem', { name: 'Ban…' }).click();
    const dialog = alice.page.getByTestId('dialog');
    await dialog.getByLabel('For how long').selectOption({ label: '10 minutes' });
    await dialog.getByLabel('Why').fill('advertising');
    await dialog.getByRole('button', { name: 'Ban' }).click();
    await expect(eve.expelled).toContainText('advertising');
    await expect(bob.chatLines.last()).toHaveText('Eve was banned for 10 minutes: advertising');
    await bob.wantLamp('live');
    await expect(admin.page.getByTestId('total-viewers')).toHaveText('1');

    // The node of the streamer dies, and the viewer is on the other one.
    const observer = await newObserver(balancer.through(links.live), viewer('Olga'));
    const killed = await observer.nodeOf('alice');
    while ((await observer.nodeOf('bob')) === killed) {
      // nginx asks the nodes in turn, and a page may take an even number of requests.
      await fetch(balancer.through(links.live));
      await bob.page.reload();
      await bob.wantLamp('live');
    }
    observer.close();
    await admin.show('Nodes');
    const withNames = admin.page.getByTestId('nodes-table').getByRole('row');
    await expect(withNames).toHaveCount(1 + 2);
    const lamps = await bob.statesOf(bob.lamp);
    const connections = await alice.statesOf(alice.connection);
    nodes[killed].kill();
    await expect.poll(connections, { timeout: 20_000 }).toContain('waiting');
    await alice.wantConnection('connected', 20_000);
    await alice.wantLamp('live');
    await bob.say('Still here?');
    await expect(alice.chatLines.last()).toHaveText('Still here?');
    await expect(withNames).toHaveCount(1 + 1, { timeout: 20_000 });
    await admin.show('Live');
    await expect(admin.liveRow('demo')).toHaveAttribute('data-broadcast', broadcast);
    await expect(admin.liveRow('demo').locator('.bulb')).toHaveText(/on air/i);
    await expect(admin.page.getByTestId('total-viewers')).toHaveText('1');
    await bob.wantConnection('connected');
    expect(await lamps(), 'a streamer who is back at once was never gone').toEqual([]);

    // Gone for a while, and back: the same broadcast.
    await alice.page.close();
    await bob.wantLamp('reconnecting');
    await expect(bob.page.getByTestId('countdown')).toHaveText(/^\d+\ss$/);
    await expect(admin.liveRow('demo').locator('.bulb')).toHaveText(/reconnecting/i);
    const again = await open(balancer.through(links.studio));
    await again.wantLamp('live');
    await bob.wantLamp('live');
    await expect(admin.liveRow('demo')).toHaveAttribute('data-broadcast', broadcast);

    // The end.
    await again.endBroadcast();
    await again.wantLamp('ended');
    await bob.wantLamp('ended');
    await expect(admin.page.getByText('Nobody is live.')).toBeVisible();
    await admin.show('Broadcasts');
    await expect(admin.endedRow(broadcast)).toContainText('ended by the streamer');
    await admin.show('Audit');
    await expect(admin.page.getByTestId('audit-table')).toContainText('advertising');
  } finally {
    await balancer.close();
  }
});

/** Somebody with an app who asks on which node others are: the id of a member begins with it. */
async function newObserver(link: string, token: string) {
  const client = new TallylightClient({ url: new URL(link).origin, token });
  const room = client.join('demo');
  void client.connect();
  await room.ready;
  return {
    nodeOf: async (user: string): Promise<'one' | 'two'> => {
      const { members } = await room.members();
      const id = members.find((member) => member.user.id === user)?.id ?? '';
      return id.slice(0, id.indexOf('-')) as 'one' | 'two';
    },
    close: () => client.close(),
  };
}
