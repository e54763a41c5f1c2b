import type { Locator } from '@playwright/test';
import { withCameras } from './chromium.ts';
import { expect, test } from './fixtures.ts';
import { look } from './look.ts';
import { mint } from './mint.ts';
import type { TestPage } from './pages.ts';

// Cameras and microphones that the browser makes up, and peers on one machine.
test.use({ launchOptions: withCameras(2) });

const sending = (who: TestPage) => who.page.getByTestId('sending');
const button = (who: TestPage, name: string) => who.page.getByRole('button', { name, exact: true });
const dialog = (who: TestPage) => who.page.getByTestId('dialog');

/** The colour in the middle of what a video shows, dark to bright from 0 to 255. */
async function brightness(video: Locator): Promise<number> {
  return video.evaluate((element: HTMLVideoElement) => {
    const canvas = document.createElement('canvas');
    canvas.width = canvas.height = 16;
    const pen = canvas.getContext('2d')!;
    pen.drawImage(element, 0, 0, 16, 16);
    const { data } = pen.getImageData(0, 0, 16, 16);
    return Math.max(...data.filter((_, i) => i % 4 !== 3));
  });
}

test('the streamer sees themselves before anybody else does, and chooses with what', async ({ node, open }) => {
  const alice = await open(node.links.studio);
  const bob = await open(node.links.watch);
  await alice.wantLamp('online');
  await expect(alice.page.getByTestId('missing')).toContainText('no title yet');
  await expect(alice.page.getByTestId('missing')).toContainText('no picture');

  await button(alice, 'Camera').click();
  await expect(sending(alice)).toHaveAttribute('data-source', 'camera', { timeout: 15_000 });
  await expect(sending(alice)).toContainText('Only you see this');
  await expect.poll(() => brightness(sending(alice).locator('video'))).toBeGreaterThan(60);
  await expect(bob.page.getByTestId('player')).toBeHidden();
  await expect(alice.page.getByTestId('missing')).not.toContainText('picture');

  // The made-up microphone beeps for 20 ms, twice a second.
  const level = alice.page.getByTestId('level');
  await expect.poll(async () => Number(await level.getAttribute('aria-valuenow'))).toBeGreaterThan(5);
  const levels = await alice.statesOf(level, 'aria-valuenow');
  await expect.poll(async () => (await levels()).length).toBeGreaterThan(20);
  expect(Math.min(...(await levels()).map(Number)), 'a beep is seen until the next one').toBeGreaterThan(5);

  await look(alice, 'studio-preview');
  const camera = sending(alice).getByLabel('Camera', { exact: true });
  const running = () => camera.evaluate((select: HTMLSelectElement) => select.selectedOptions[0]?.text);
  const names = await camera.locator('option').allTextContents();
  expect(names.length).toBeGreaterThan(1);
  const other = names.find((name) => name !== '' && name !== names[0])!;
  await camera.selectOption({ label: other });
  await expect(button(alice, 'Camera')).toBeVisible({ timeout: 15_000 });
  await expect.poll(running).toBe(other);
  await alice.page.reload();
  await button(alice, 'Camera').click();
  await expect(sending(alice)).toHaveAttribute('data-source', 'camera', { timeout: 15_000 });
  await expect.poll(running, 'the choice is remembered').toBe(other);

  // A device that is gone, or an id that means nothing here, is no reason to have none.
  await alice.page.evaluate(() => localStorage.setItem('tallylight.devices', JSON.stringify({ camera: 'gone', microphone: 'gone' })));
  await alice.page.reload();
  await button(alice, 'Camera').click();
  await expect(sending(alice)).toHaveAttribute('data-source', 'camera', { timeout: 15_000 });

  await sending(alice).getByLabel('Microphone', { exact: true }).selectOption({ label: 'None' });
  await expect(sending(alice)).toContainText('No sound is sent.');
  await expect(alice.page.getByTestId('missing')).toContainText('no sound');
  expect([...alice.complaints, ...bob.complaints]).toEqual([]);
});

test('viewers get the picture with the start, and it can be hidden and muted', async ({ node, open }) => {
  const alice = await open(node.links.studio);
  const bob = await open(node.links.watch);
  await alice.wantLamp('online');
  await button(alice, 'Test picture').click();
  await expect(sending(alice)).toHaveAttribute('data-source', 'test');
  await alice.goLive('Bars');
  await expect(bob.page.getByTestId('player')).toHaveAttribute('data-state', 'live', { timeout: 9_000 });
  await expect(alice.page.getByTestId('served')).toHaveText('1');
  const seen = bob.page.getByTestId('player').locator('video');
  await expect.poll(() => brightness(seen), { timeout: 10_000 }).toBeGreaterThan(100);

  await button(alice, 'Hide picture').click();
  await expect(sending(alice)).toContainText('viewers see a black picture');
  await expect.poll(() => brightness(seen), { timeout: 10_000 }).toBeLessThan(40);
  await button(alice, 'Show picture').click();
  await expect.poll(() => brightness(seen), { timeout: 10_000 }).toBeGreaterThan(100);

  await button(alice, 'Camera').click();
  await expect(sending(alice)).toHaveAttribute('data-source', 'camera', { timeout: 15_000 });
  await button(alice, 'Mute microphone').click();
  await expect(sending(alice)).toContainText('Your microphone is muted.');
  await expect(alice.page.getByTestId('level')).toHaveAttribute('aria-valuenow', '0');
  await button(alice, 'Unmute microphone').click();

  await alice.endBroadcast();
  await expect(bob.page.getByTestId('player')).toBeHidden();
  await expect(sending(alice), 'the camera stays, for the streamer alone').toContainText('Only you see this');
});

test('what the browser refuses is said', async ({ node, open }) => {
  const alice = await open(node.links.studio);
  await alice.wantLamp('online');
  await alice.page.evaluate(() => {
    navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException('no', 'NotAllowedError'));
  });
  await button(alice, 'Camera').click();
  await expect(sending(alice).getByRole('alert')).toContainText('The browser was not allowed to use it.');
  await expect(button(alice, 'Camera')).toBeVisible();

  // A question of the browser that nobody answers keeps nobody from choosing something else.
  await alice.page.evaluate(() => {
    navigator.mediaDevices.getUserMedia = () => new Promise(() => undefined);
  });
  await button(alice, 'Camera').click();
  await expect(sending(alice).getByText('not allowed')).toBeHidden();
  await button(alice, 'Test picture').click();
  await expect(sending(alice)).toHaveAttribute('data-source', 'test');
  await button(alice, 'Off').click();
  await expect(sending(alice)).toHaveAttribute('data-source', 'none');
});

test('the end of a broadcast is asked about once, and can be thought better of', async ({ node, open }) => {
  const alice = await open(node.links.studio);
  const bob = await open(node.links.watch);
  await alice.wantLamp('online');
  await button(alice, 'Go live').press('Enter');
  await bob.wantLamp('live');
  await expect(button(alice, 'End broadcast'), 'the keyboard stays where it was').toBeFocused();

  await button(alice, 'End broadcast').click();
  await expect(dialog(alice)).toContainText('End this broadcast?');
  await look(alice, 'studio-end-dialog');
  await dialog(alice).getByRole('button', { name: 'Cancel' }).click();
  await expect(dialog(alice)).toBeHidden();
  await button(alice, 'End broadcast').click();
  await alice.page.keyboard.press('Escape');
  await expect(dialog(alice)).toBeHidden();
  await alice.say('still here');
  await expect(bob.chatLines.last()).toHaveText('still here');
  await bob.wantLamp('live');

  await alice.endBroadcast();
  await alice.wantLamp('ended');
  await bob.wantLamp('ended');
  expect([...alice.complaints, ...bob.complaints]).toEqual([]);
});

test('a streamer chooses how long viewers wait for them', async ({ node, open }) => {
  const alice = await open(node.links.studio);
  const bob = await open(node.links.watch);
  await alice.wantLamp('online');
  await alice.page.getByText('More', { exact: true }).click();
  const choice = alice.page.getByLabel('If your connection is lost');
  await expect(choice.locator('option:checked')).toContainText('15 seconds');
  await choice.selectOption({ label: 'Wait 5 minutes' });
  await alice.goLive('Ink');
  await bob.wantLamp('live');
  await expect(choice).toBeDisabled();
  await alice.page.close();
  await bob.wantLamp('reconnecting');
  await expect(bob.page.getByTestId('countdown')).toHaveText(/^(4:\d\d|5:00)$/);
});

test('the heartbeat says when the next beat comes, and viewers are counted over time', async ({ node, open }) => {
  const alice = await open(node.links.studio);
  await alice.goLive('Ink');
  await expect(alice.page.getByTestId('rtt')).toHaveText(/^\d+ ms$/);
  await expect(alice.page.getByTestId('heartbeat').getByTestId('next')).toHaveText(/^0:[0-5]\d$/);

  const bob = await open(node.links.watch);
  await expect(alice.page.getByTestId('viewers')).toHaveText('1');
  await expect(alice.page.getByTestId('most')).toHaveText('1', { timeout: 15_000 });
  const chart = alice.page.getByTestId('chart');
  await expect(chart).toHaveAttribute('aria-label', 'Viewers over time: 1 now, 1 at most');
  await expect.poll(async () => Number(await chart.getAttribute('data-points'))).toBeGreaterThan(2);
  await expect(chart.locator('canvas')).toBeVisible();
  await look(alice, 'studio-curve');
  await bob.page.goto('about:blank');
  await expect(alice.page.getByTestId('viewers')).toHaveText('0');
  await expect(alice.page.getByTestId('most'), 'the most there were stays').toHaveText('1');
  expect(alice.complaints).toEqual([]);
});

test('a token that ends is followed by another one, and no viewer notices; without, nothing is lost either', async ({ start, open }) => {
  // A token is taken for half a minute longer than it says.
  test.setTimeout(120_000);
  const secret = 'the secret of the studio, 32 bytes';
  const node = await start('--jwt-secret', secret);
  const studio = node.links.studio.split('#')[0] ?? '';
  const short = (user: string, room: string) => mint(secret, '--user', user, '--streamer', room, '--expires', '15s');
  const wrongs = [
    ['nonsense', 'This token is refused'],
    [mint(secret, '--user', 'mallory', '--streamer', 'demo'), 'This token is for mallory'],
    [mint(secret, '--user', 'alice', '--viewer', 'demo'), 'does not let you broadcast in demo'],
  ] as const;
  const bob = await open(node.links.watch);
  const token = short('alice', 'demo');
  const over = Date.now() + 15_000 + 31_000;
  const alice = await open(`${studio}#token=${token}`);
  await alice.goLive('Ink');
  await bob.wantLamp('live');

  const connections = await alice.statesOf(alice.connection);
  const lamps = await bob.statesOf(bob.lamp);
  const end = (who: TestPage) => who.page.getByTestId('token-end');
  const bring = async (who: TestPage, token: string) => {
    await who.page.getByLabel('New token or link').fill(token);
    await button(who, 'Go on with it').click();
  };

  await expect(end(alice)).toContainText('Your access ends');
  for (const [wrong, why] of wrongs) {
    await bring(alice, wrong);
    await expect(end(alice).getByText(why)).toBeVisible();
  }
  await bring(alice, `${studio}#token=${mint(secret, '--user', 'alice', '--streamer', 'demo')}`);
  await expect(end(alice)).toBeHidden();
  await expect(alice.page.getByText('You can stay until')).toBeVisible();

  // Carol does nothing about it.
  const carol = await open(`${studio.replace('demo', 'attic')}#token=${short('carol', 'attic')}`);
  await button(carol, 'Test picture').click();
  await carol.page.getByLabel('Title').fill('A title that took long to think of');
  await expect(end(carol)).toContainText('Your access has ended', { timeout: 60_000 });
  await look(carol, 'studio-access-ended');
  await carol.wantLamp('unknown');
  await expect.poll(() => Date.now(), { timeout: 60_000 }).toBeGreaterThan(over);
  await alice.say('nobody has noticed');
  await expect(bob.chatLines.last()).toHaveText('nobody has noticed');
  expect([...(await connections()), ...(await lamps())]).toEqual([]);

  await bring(carol, mint(secret, '--user', 'carol', '--streamer', 'attic'));
  await carol.wantLamp('online', 10_000);
  await expect(end(carol)).toBeHidden();
  await expect(carol.page.getByLabel('Title')).toHaveValue('A title that took long to think of');
  await expect(sending(carol)).toHaveAttribute('data-source', 'test');
  await carol.page.reload();
  await carol.wantLamp('online');
  expect(bob.complaints).toEqual([]);
});
