import { expect, test } from './fixtures.ts';
import { TestPage } from './pages.ts';

/** What the promise of the whole product allows from a click in the studio to the lamp and the dashboard. */
const promisedMs = 1_000;

test('a broadcast, from the first click to the record', async ({ node, open }) => {
  const alice = await open(node.links.studio);
  const bob = await open(node.links.watch);
  const admin = await open(node.links.admin);
  await bob.wantLamp('online');
  await alice.wantLamp('online');
  await expect(admin.page.getByText('Nobody is live.')).toBeVisible();

  await alice.goLive('Morning sketches');
  await Promise.all([
    bob.wantLamp('live', promisedMs),
    alice.wantLamp('live', promisedMs),
    expect(admin.liveRow('demo')).toContainText('Morning sketches', { timeout: promisedMs }),
  ]);
  await expect(bob.page.getByTestId('title')).toHaveText('Morning sketches');
  const broadcast = await admin.liveRow('demo').getAttribute('data-broadcast');

  await bob.say('Good morning!');
  await expect(alice.chatLines.last()).toHaveText('Good morning!');
  await expect(bob.chatLines).toHaveText(['On air: Morning sketches', 'Good morning!']);

  await alice.page.close();
  await bob.wantLamp('reconnecting', promisedMs);
  await expect(bob.page.getByTestId('countdown')).toHaveText(/^1[0-5]\ss$/);
  await expect(admin.liveRow('demo').locator('.bulb')).toHaveText(/reconnecting/i);

  const aliceAgain = await open(node.links.studio);
  await bob.wantLamp('live');
  await aliceAgain.wantLamp('live');
  await expect(aliceAgain.page.getByLabel('Title')).toHaveValue('Morning sketches');
  await expect(admin.liveRow('demo')).toHaveAttribute('data-broadcast', broadcast ?? '');
  await expect(admin.liveRow('demo').locator('.bulb')).toHaveText(/on air/i);

  await aliceAgain.page.close();
  await bob.wantLamp('reconnecting');
  await bob.wantLamp('ended', 20_000);
  await expect(admin.page.getByText('Nobody is live.')).toBeVisible();
  await admin.show('Broadcasts');
  await expect(admin.endedRow(broadcast ?? '')).toContainText('connection lost');
  expect([...bob.complaints, ...admin.complaints]).toEqual([]);
});

test('what the streamer changes, the others see; an end is an end', async ({ node, open }) => {
  const alice = await open(node.links.studio);
  const bob = await open(node.links.watch);
  const visitor = await open(node.links.live);
  await expect(visitor.page.getByText('Nobody is live.')).toBeVisible();

  await alice.goLive('Ink');
  await expect(visitor.page.locator('[data-room="demo"]')).toContainText('Ink');
  await alice.page.getByLabel('Title').fill('Pencil');
  await alice.page.getByLabel('Category').fill('art');
  await alice.page.getByRole('button', { name: 'Save changes' }).click();
  await expect(bob.page.getByTestId('title')).toHaveText('Pencil');
  await expect(visitor.page.locator('[data-room="demo"]')).toContainText('Pencil');
  await expect(visitor.page.locator('[data-room="demo"]')).toContainText('1 watching');

  await alice.endBroadcast();
  await alice.wantLamp('ended');
  await bob.wantLamp('ended');
  await expect(bob.lamp).toContainText('ended by the streamer');
  await expect(visitor.page.getByText('Nobody is live.')).toBeVisible();

  await alice.page.getByRole('button', { name: 'Go live' }).click();
  await bob.wantLamp('live');
  expect([...alice.complaints, ...bob.complaints, ...visitor.complaints]).toEqual([]);
});

test('the studio shows its heartbeat', async ({ node, open }) => {
  const alice = await open(node.links.studio);
  await expect(alice.page.getByTestId('rtt')).toHaveText(/^\d+ ms$/);
  await expect(alice.page.getByTestId('heartbeat')).toContainText('Last beat');
});

test('a second studio window takes over, and the first can take it back', async ({ node, open }) => {
  const first = await open(node.links.studio);
  const bob = await open(node.links.watch);
  await first.goLive('Two windows');
  await bob.wantLamp('live');
  const told = bob.page.evaluate(
    () =>
      new Promise<string[]>((resolve) => {
        const lamp = document.querySelector('[data-testid=lamp]');
        const states: string[] = [];
        const watch = new MutationObserver(() => states.push((lamp as HTMLElement).dataset['state'] ?? ''));
        if (lamp) watch.observe(lamp, { attributeFilter: ['data-state'] });
        window.addEventListener('told', () => resolve(states));
      }),
  );

  const page = await first.page.context().newPage();
  const second = new TestPage(page);
  await page.goto(node.links.studio);
  await second.wantLamp('live');
  await expect(first.notice).toContainText('Another window took over');
  await first.wantConnection('stopped');

  await first.page.getByRole('button', { name: 'Take it back' }).click();
  await first.wantLamp('live');
  await expect(second.notice).toContainText('Another window took over');
  await expect(first.notice).toBeHidden();

  await bob.page.evaluate(() => window.dispatchEvent(new Event('told')));
  expect(await told, 'the lamp did not flicker').toEqual([]);
});
