import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Page } from '@playwright/test';
import { expect, test } from './fixtures.ts';

const sizes = [
  { name: 'wide', width: 1280, height: 800 },
  { name: 'narrow', width: 360, height: 740 },
];

/** How far anything reaches beyond the right edge. */
async function overflow(page: Page): Promise<number> {
  return page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
}

test('all pages in both widths: nothing is cut off, nothing is complained about', async ({ node, open }, info) => {
  // TALLYLIGHT_SHOTS keeps the pictures where somebody wants to look at them.
  const folder = process.env['TALLYLIGHT_SHOTS'] ?? info.outputPath('shots');
  mkdirSync(folder, { recursive: true });

  const people = {
    studio: await open(node.links.studio),
    watch: await open(node.links.watch),
    admin: await open(node.links.admin),
    live: await open(node.links.live),
    token: await open(node.links.watch.split('#')[0] ?? ''),
  };

  async function look(moment: string) {
    for (const [name, { page }] of Object.entries(people)) {
      for (const { name: size, width, height } of sizes) {
        await page.setViewportSize({ width, height });
        await page.screenshot({ path: join(folder, `${name}-${moment}-${size}.png`), fullPage: true });
        expect.soft(await overflow(page), `${name} ${moment} ${size} is as wide as its window`).toBeLessThanOrEqual(0);
      }
    }
  }

  await people.watch.wantLamp('online');
  await expect(people.live.page.getByText('Nobody is live.')).toBeVisible();
  await look('quiet');

  await people.studio.page.getByLabel('Category').fill('art');
  await people.studio.page.getByLabel('Language').fill('en');
  await people.studio.page.getByLabel('Tags').fill('ink, calm');
  await people.studio.goLive('Morning sketches by the harbour: ink, water and a very long title that has to wrap');
  await people.watch.wantLamp('live');
  await expect(people.admin.liveRow('demo')).toBeVisible();
  await people.watch.say('Good morning!');
  await people.studio.say('Welcome, everybody. Today: the fishing boats, and an_unbroken_word_'.padEnd(160, 'x'));
  await expect(people.watch.chatLines).toHaveCount(3);
  await expect(people.admin.page.getByTestId('total-viewers')).toHaveText('1');
  await look('live');

  const { studio, ...others } = people;
  expect(studio.complaints).toEqual([]);
  await studio.page.close();
  await people.watch.wantLamp('reconnecting');
  people.studio = await open(node.links.studio);
  await people.studio.endBroadcast();
  await people.watch.wantLamp('ended');
  await people.admin.show('Broadcasts');
  await expect(people.admin.page.getByTestId('ended-table')).toBeVisible();
  await look('ended');
  for (const { complaints } of Object.values(others)) expect(complaints).toEqual([]);
});
