import { withCameras } from './chromium.ts';
import { expect, test } from './fixtures.ts';
import { look } from './look.ts';
import type { TestPage } from './pages.ts';
import { newWire } from './wire.ts';

// A camera that the browser makes up, and peers on one machine.
test.use({ launchOptions: withCameras(1) });

/** How many pictures the player has decoded, and what it shows: a few of its pixels. */
async function looked(at: TestPage): Promise<{ frames: number; pixels: string }> {
  return at.page.getByTestId('player').locator('video').evaluate((video: HTMLVideoElement) => {
    const canvas = document.createElement('canvas');
    canvas.width = 64;
    canvas.height = 36;
    const pen = canvas.getContext('2d')!;
    pen.drawImage(video, 0, 0, canvas.width, canvas.height);
    const { data } = pen.getImageData(0, 0, canvas.width, canvas.height);
    return { frames: video.getVideoPlaybackQuality().totalVideoFrames, pixels: data.join() };
  });
}

/** Sees that pictures come, and that they are not always the same one. */
async function wantMoving(at: TestPage, within = 10_000): Promise<void> {
  const before = await looked(at);
  await expect
    .poll(async () => {
      const now = await looked(at);
      return now.frames > before.frames + 5 && now.pixels !== before.pixels;
    }, { timeout: within })
    .toBe(true);
}

test('a viewer sees what the streamer sends, on another node, and goes on to when either is cut off for a while, or their node is killed', async ({ startTogether, open }) => {
  test.setTimeout(180_000);
  const { one, two, three } = await startTogether(['one', 'two', 'three']);
  const wires = [await newWire(one.links.live), await newWire(two.links.live)];
  try {
    const alice = await open(wires[0]!.through(one.links.studio));
    const bob = await open(wires[1]!.through(two.links.watch));
    await alice.goLive('Faces');
    await bob.wantLamp('live');
    await expect(bob.page.getByTestId('picture')).toHaveText('Connecting to the picture…');
    await expect(bob.page.getByTestId('player')).toBeHidden();

    await alice.page.getByRole('button', { name: 'Camera' }).click();
    await expect(bob.page.getByTestId('player')).toHaveAttribute('data-state', 'live', { timeout: 20_000 });
    await wantMoving(bob);
    const decoded = async () => Number(await bob.page.getByTestId('player').getAttribute('data-decoded'));
    const before = await decoded();
    await expect.poll(decoded, { timeout: 10_000 }).toBeGreaterThan(before + 10);
    await expect(alice.page.getByTestId('served')).toHaveText('1');
    for (const [name, who] of [['studio', alice], ['watch', bob]] as const) await look(who, `${name}-picture`);

    for (const [who, wire] of [[bob, wires[1]!], [alice, wires[0]!]] as const) {
      wire.cut();
      await who.wantConnection('waiting');
      const until = Date.now() + 5_000;
      while (Date.now() < until) await wantMoving(bob, 2_000);
      wire.mend();
      await who.wantConnection('connected', who === alice ? 10_000 : 40_000);
      await wantMoving(bob, 2_000);
      await expect(bob.page.getByTestId('player')).toHaveAttribute('data-state', 'live');
    }

    // The node of either is killed, and there is another.
    for (const [who, wire, node] of [[bob, wires[1]!, two], [alice, wires[0]!, one]] as const) {
      wire.lead(three.links.live);
      node.kill();
      const until = Date.now() + 5_000;
      while (Date.now() < until) await wantMoving(bob, 2_000);
      await who.wantConnection('connected', 20_000);
      await wantMoving(bob, 2_000);
      await expect(bob.page.getByTestId('player')).toHaveAttribute('data-state', 'live');
    }

    await alice.page.getByRole('button', { name: 'Test picture' }).click();
    await expect(alice.page.getByTestId('sending')).toHaveAttribute('data-source', 'test');
    await wantMoving(bob);
    await alice.page.getByRole('button', { name: 'Off' }).click();
    await expect(bob.page.getByTestId('player')).toBeHidden();
    await alice.page.getByRole('button', { name: 'Test picture' }).click();
    await expect(bob.page.getByTestId('player')).toHaveAttribute('data-state', 'live', { timeout: 20_000 });
    await wantMoving(bob);
    await alice.endBroadcast();
    await bob.wantLamp('ended');
    await expect(bob.page.getByTestId('player')).toBeHidden();
  } finally {
    await Promise.all(wires.map((wire) => wire.close()));
  }
});

test('who finds no seat is told so, and gets the next one', async ({ start, open }) => {
  const node = await start('--max-peers', '1');
  const alice = await open(node.links.studio);
  await alice.goLive('Small house');
  await alice.page.getByRole('button', { name: 'Test picture' }).click();
  const bob = await open(node.links.watch);
  await expect(bob.page.getByTestId('player')).toHaveAttribute('data-state', 'live', { timeout: 20_000 });
  await wantMoving(bob);
  const carol = await open(node.links.watch);
  await expect(carol.page.getByTestId('picture')).toContainText('All seats are taken');
  await wantMoving(bob);
  await bob.page.goto('about:blank');
  // A page that goes gives its seat back at once: whoever was only cut off would keep it for half a minute.
  await expect(carol.page.getByTestId('player')).toHaveAttribute('data-state', 'live', { timeout: 20_000 });
  await wantMoving(carol);
});
