import { expect, test } from './fixtures.ts';

/** What the promise allows from a click in the studio to the lamp and the dashboard, whichever nodes they are on. */
const promisedMs = 1_000;

test('two nodes show the same broadcast, whichever one asks', async ({ startTogether, open }) => {
  const { one, two } = await startTogether(['one', 'two']);
  const alice = await open(one.links.studio);
  const bob = await open(two.links.watch);
  const admins = [await open(one.links.admin), await open(two.links.admin)];
  await bob.wantLamp('online');

  await alice.goLive('Across the wire');
  await Promise.all([
    bob.wantLamp('live', promisedMs),
    ...admins.map((admin) => expect(admin.liveRow('demo')).toContainText('Across the wire', { timeout: promisedMs })),
  ]);
  const broadcast = (await admins[0]!.liveRow('demo').getAttribute('data-broadcast')) ?? '';
  for (const admin of admins) {
    await expect(admin.liveRow('demo')).toHaveAttribute('data-broadcast', broadcast);
    await expect(admin.page.getByTestId('total-live')).toHaveText('1');
    await expect(admin.page.getByTestId('total-viewers')).toHaveText('1');
  }
  await bob.say('Can you hear me on the other node?');
  await expect(alice.chatLines.last()).toHaveText('Can you hear me on the other node?');

  await alice.page.close();
  await bob.wantLamp('reconnecting', promisedMs);
  for (const admin of admins) await expect(admin.liveRow('demo').locator('.bulb')).toHaveText(/reconnecting/i);

  const aliceElsewhere = await open(two.links.studio);
  await bob.wantLamp('live');
  await aliceElsewhere.wantLamp('live');
  for (const admin of admins) {
    await expect(admin.liveRow('demo')).toHaveAttribute('data-broadcast', broadcast);
    await expect(admin.liveRow('demo').locator('.bulb')).toHaveText(/on air/i);
  }

  await aliceElsewhere.endBroadcast();
  await bob.wantLamp('ended');
  for (const admin of admins) {
    await expect(admin.page.getByText('Nobody is live.')).toBeVisible();
    await admin.show('Broadcasts');
    await expect(admin.endedRow(broadcast)).toContainText('ended by the streamer');
  }
  expect([...bob.complaints, ...admins.flatMap((admin) => admin.complaints)]).toEqual([]);
});
