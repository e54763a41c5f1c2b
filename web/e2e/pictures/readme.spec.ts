import { fileURLToPath } from 'node:url';
import { withCameras } from '../chromium.ts';
import { expect, test } from '../fixtures.ts';
import { unlimited } from '../node.ts';
import { mint } from '../mint.ts';
import type { TestPage } from '../pages.ts';
import { Party, secret } from '../party.ts';

test.use({ launchOptions: withCameras(1) });

const docs = fileURLToPath(new URL('../../../docs/', import.meta.url));
const desk = { width: 1280, height: 800 };
const phone = { width: 390, height: 844 };

/** Who else is on air: room, name, title, category, viewers. */
const others = [
  ['harbour', 'Ana', 'Ink and water by the boats', 'art', 41],
  ['nightshift', 'Ben', 'Speed run, third try', 'games', 29],
  ['cellar', 'Cleo', 'Cello, one take', 'music', 18],
  ['kitchen', 'Dora', 'Sourdough for beginners', 'food', 14],
  ['workshop', 'Emil', 'A chair out of one board', 'crafts', 11],
  ['attic', 'Fay', 'Model trains, new bridge', 'crafts', 7],
  ['garden', 'Gus', 'What the bees do in November', 'nature', 5],
  ['library', 'Hana', 'Reading aloud: chapter nine', 'books', 3],
] as const;

const chat = [
  ['Bob', 'Good morning! Is that the new nib?'],
  ['Carol', 'The reflections are lovely today'],
  ['Dan', 'How do you keep the paper flat?'],
  ['Bob', 'Masking tape, she said yesterday'],
  ['Eve', 'Greetings from a train, the picture holds up even here'],
] as const;

/** Takes a page by day and by night. */
async function picture({ page }: TestPage, name: string, size: { width: number; height: number }): Promise<void> {
  await page.setViewportSize(size);
  for (const colorScheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
    await page.screenshot({ path: `${docs}${name}-${colorScheme}.png` });
  }
}

test('the pages as the README shows them', async ({ start, open }) => {
  test.setTimeout(180_000);
  const node = await start('--jwt-secret', secret, ...unlimited);
  const party = new Party(node.links.live);
  const as = (link: string, name: string, role: string) =>
    `${link.split('#')[0] ?? ''}#token=${mint(secret, '--user', name.toLowerCase(), '--name', name, `--${role}`, 'demo', '--expires', '4h')}`;

  const alice = await open(as(node.links.studio, 'Alice', 'streamer'));
  await alice.page.setViewportSize({ ...desk, height: 1_070 });
  await alice.page.getByRole('button', { name: 'Test picture' }).click();
  await alice.page.getByLabel('Category').fill('art');
  await alice.page.getByLabel('Language').fill('en');
  await alice.page.getByLabel('Tags').fill('ink, calm');
  await alice.goLive('Morning sketches by the harbour');
  const bob = await open(as(node.links.watch, 'Bob', 'viewer'));
  await expect(bob.page.getByTestId('player')).toHaveAttribute('data-state', 'live', { timeout: 20_000 });
  for (const [room, name, title, category, viewers] of others) {
    await party.goLive(name, room, { title, category });
    await Promise.all(Array.from({ length: viewers }, (_, n) => party.join(`viewer-${n}`, 'viewer', [room])));
  }
  for (let n = 0; n < 23; n++) await party.join(`viewer-${n}`, 'viewer', ['demo']);
  const admin = await open(node.links.admin);
  for (const [name, text] of chat) {
    if (name === 'Bob') await bob.say(text);
    else await (await party.join(name, 'viewer', ['demo']))[0]!.chat(text);
  }
  await expect(bob.chatLines.last()).toHaveText(chat.at(-1)![1]);

  // Until the curves have something to tell.
  for (let n = 23; n < 60; n++) {
    await party.join(`viewer-${n}`, 'viewer', ['demo']);
    await bob.page.waitForTimeout(1_000);
  }
  await picture(bob, 'watch', { ...desk, height: 836 });
  await picture(alice, 'studio', { ...desk, height: 1_070 });
  await picture(admin, 'admin', desk);

  await bob.page.setViewportSize(phone);
  await alice.page.close();
  await bob.wantLamp('reconnecting');
  await picture(bob, 'reconnecting', phone);
  party.close();
});
