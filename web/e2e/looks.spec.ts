import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Page } from '@playwright/test';
import { TallylightClient } from '../sdk/src/index.ts';
import { violations } from './accessible.ts';
import { expect, test } from './fixtures.ts';
import type { TestPage } from './pages.ts';

const sizes = [
  { name: 'wide', width: 1280, height: 800 },
  { name: 'phone', width: 360, height: 740 },
];
const schemes = ['dark', 'light'] as const;

/** How far anything reaches beyond the right edge. */
async function overflow(page: Page): Promise<number> {
  return page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
}

/** Looks at pages as they are at a moment, by day and by night, at a desk and on a phone. */
function newLook(folder: string) {
  mkdirSync(folder, { recursive: true });
  return async (moment: string, people: Record<string, TestPage>) => {
    for (const [name, { page }] of Object.entries(people)) {
      for (const { name: size, width, height } of sizes) {
        await page.setViewportSize({ width, height });
        for (const colorScheme of schemes) {
          await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
          const what = `${name}-${moment}-${size}-${colorScheme}`;
          await page.screenshot({ path: join(folder, `${what}.png`), fullPage: true });
          expect.soft(await overflow(page), `${what} is as wide as its window`).toBeLessThanOrEqual(0);
          expect.soft(await violations(page), `${what} can be used by everybody`).toEqual([]);
        }
      }
    }
  };
}

// TALLYLIGHT_SHOTS keeps the pictures where somebody wants to look at them.
test.beforeEach(() => test.setTimeout(240_000));
const folderOf = (path: string) => process.env['TALLYLIGHT_SHOTS'] ?? path;

test('the pages before, during and after a broadcast: nothing is cut off, nothing is complained about', async ({ node, open }, info) => {
  const look = newLook(folderOf(info.outputPath('shots')));
  const people = {
    studio: await open(node.links.studio),
    watch: await open(node.links.watch),
    live: await open(node.links.live),
    token: await open(node.links.watch.split('#')[0] ?? ''),
  };
  await people.watch.wantLamp('online');
  await expect(people.live.page.getByText('Nobody is live.')).toBeVisible();
  await look('quiet', people);

  await people.studio.page.getByLabel('Category').fill('art');
  await people.studio.page.getByLabel('Language').fill('en');
  await people.studio.page.getByLabel('Tags').fill('ink, calm');
  await people.studio.goLive('Morning sketches by the harbour: ink, water and a very long title that has to wrap');
  await people.watch.wantLamp('live');
  await people.watch.say('Good morning!');
  await people.studio.say('Welcome, everybody. Today: the fishing boats, and an_unbroken_word_'.padEnd(160, 'x'));
  await expect(people.watch.chatLines).toHaveCount(3);
  const { token: _, ...during } = people;
  await look('live', during);

  await people.studio.endBroadcast();
  await people.watch.wantLamp('ended');
  await look('ended', { studio: people.studio, watch: people.watch });
  expect(people.studio.complaints).toEqual([]);
  await people.studio.page.close();

  // An app waits for longer than the studio does by itself: there is time to look.
  const app = new TallylightClient({ url: new URL(node.links.live).origin, token: node.links.studio.split('#token=')[1] ?? '' });
  const room = app.join('demo', { role: 'streamer' });
  void app.connect();
  await room.ready;
  await room.start({ title: 'From the app', window_ms: 600_000 });
  await people.watch.wantLamp('live');
  app.close();
  await people.watch.wantLamp('reconnecting');
  await look('reconnecting', { watch: people.watch, live: people.live });
  for (const { complaints } of [people.watch, people.live, people.token]) expect(complaints).toEqual([]);
});
