import { randomBytes } from 'node:crypto';
import { TallylightClient, type BroadcastDetails, type Room } from '../sdk/src/index.ts';
import { expect, test as base } from './fixtures.ts';
import { look } from './look.ts';
import { mint } from './mint.ts';
import type { TestPage } from './pages.ts';

const secret = randomBytes(32).toString('hex');

interface Streamers {
  /** Goes live as this person, in the room of that name. */
  goLive: (name: string, details: BroadcastDetails) => Promise<Room>;
}

const test = base.extend<Streamers>({
  node: async ({ start }, use) => {
    await use(await start('--jwt-secret', secret));
  },
  goLive: async ({ node }, use) => {
    const clients: TallylightClient[] = [];
    await use(async (name, details) => {
      const id = name.toLowerCase();
      const token = mint(secret, '--user', id, '--name', name, '--streamer', id);
      const client = new TallylightClient({ url: new URL(node.links.watch).origin, token });
      clients.push(client);
      const room = client.join(id, { role: 'streamer' });
      void client.connect();
      await room.ready;
      await room.start(details);
      return room;
    });
    for (const client of clients) client.close();
  },
});

const cards = ({ page }: TestPage) => page.getByTestId('cards').locator('[data-room]');
const rooms = (who: TestPage) => cards(who).evaluateAll((all) => all.map((card) => card.getAttribute('data-room')));
const search = ({ page }: TestPage) => page.getByLabel('Search titles, people, tags');

test('who is live is found by words and by category, and the choice stands in the address', async ({ node, open, goLive }) => {
  const visitor = await open(node.links.live);
  await expect(visitor.page.getByText('Nobody is live.')).toBeVisible();
  await goLive('Alice', { title: 'Morning sketches', category: 'Art', tags: ['ink'] });
  await goLive('Bob', { title: 'Speed run', category: 'Games' });
  await goLive('Carol', { title: 'Clay', category: 'art' });
  await expect(cards(visitor)).toHaveCount(3);
  await expect(visitor.page.getByTestId('count')).toHaveText('3 broadcasts');
  await look(visitor, 'live-cards');

  await search(visitor).fill('ink MORN');
  await expect.poll(() => rooms(visitor)).toEqual(['alice']);
  await expect(visitor.page.getByTestId('count')).toHaveText('1 broadcast matches');
  await search(visitor).fill('');
  await visitor.page.getByLabel('Category').selectOption({ label: 'Art (2)' });
  await expect(cards(visitor)).toHaveCount(2);
  await search(visitor).fill('clay');
  await expect.poll(() => rooms(visitor)).toEqual(['carol']);
  expect(new URL(visitor.page.url()).search).toBe('?q=clay&category=art');

  await visitor.page.reload();
  await expect(search(visitor)).toHaveValue('clay');
  await expect.poll(() => rooms(visitor)).toEqual(['carol']);

  await search(visitor).fill('nobody is called so');
  await expect(visitor.page.getByText('Nothing that is live matches.')).toBeVisible();
  await visitor.page.getByRole('button', { name: 'Show all' }).click();
  await expect(cards(visitor)).toHaveCount(3);
  expect(new URL(visitor.page.url()).search).toBe('');
  expect(visitor.complaints).toEqual([]);
});

test('nothing moves under the pointer: what ends says so, and goes when the pointer does', async ({ node, open, goLive }) => {
  const visitor = await open(node.links.live);
  const alice = await goLive('Alice', { title: 'Ink' });
  await goLive('Bob', { title: 'Run' });
  await expect(cards(visitor)).toHaveCount(2);
  const before = await rooms(visitor);
  await cards(visitor).first().hover();
  await alice.end();
  const card = visitor.page.locator('[data-room="alice"]');
  await expect(card.locator('.bulb')).toHaveText(/ended/i);
  expect(await rooms(visitor)).toEqual(before);

  await visitor.page.mouse.move(0, 0);
  await expect(card).toBeHidden();
  expect(visitor.complaints).toEqual([]);
});
