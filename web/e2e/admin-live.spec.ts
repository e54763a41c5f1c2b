import type { Locator, Page } from '@playwright/test';
import { expect, test as base } from './fixtures.ts';
import { look } from './look.ts';
import type { Room } from '../sdk/src/index.ts';
import type { Node } from './node.ts';
import { Party, secret } from './party.ts';

/** A node whose secret is known, and people who can be asked to be live on it. */
const test = base.extend<{ node: Node; party: Party }>({
  node: async ({ start }, use) => {
    await use(await start('--jwt-secret', secret));
  },
  party: async ({ node }, use) => {
    const party = new Party(node.links.live);
    await use(party);
    party.close();
  },
});

const rows = (page: Page) => page.getByTestId('live-table').locator('[data-broadcast]');
const roomsOf = (page: Page) => () => rows(page).evaluateAll((all) => all.map((row) => (row as HTMLElement).dataset['room']));
const dialog = (page: Page) => page.getByTestId('dialog');

async function threeLive(party: Party): Promise<Record<string, Room>> {
  return {
    harbour: await party.goLive('Ana', 'harbour', { title: 'Ink and water', category: 'art' }),
    board: await party.goLive('Ben', 'board', { title: 'Chess', category: 'games' }),
    cellar: await party.goLive('Cleo', 'cellar', { title: 'Cello', category: 'music' }),
  };
}

test('the table sorts and filters, and its rows change in place', async ({ node, party, open }) => {
  await threeLive(party);
  await party.join('vera', 'viewer', ['board']);
  const admin = await open(node.links.admin);
  const { page } = admin;
  const table = page.getByTestId('live-table');
  await expect.poll(async () => (await roomsOf(page)())[0], { message: 'most viewers first' }).toBe('board');
  await expect(page.getByTestId('count')).toHaveText('3 live');

  await look(admin, 'admin-live');
  const left = (cell: Locator) => cell.evaluate((shown) => Math.round(shown.getBoundingClientRect().left));
  for (const [name, cell] of Object.entries({ Streamer: '.who', Room: '.room', Title: '.title', Category: '.category' })) {
    const head = table.getByRole('columnheader', { name });
    expect(await left(head), `${name} is above what it names`).toBe(await left(admin.liveRow('board').locator(cell)));
  }

  await table.getByRole('button', { name: 'Streamer' }).click();
  await expect.poll(roomsOf(page)).toEqual(['harbour', 'board', 'cellar']);
  await expect(table.getByRole('columnheader', { name: 'Streamer' })).toHaveAttribute('aria-sort', 'ascending');
  await page.keyboard.press('Enter');
  await expect.poll(roomsOf(page)).toEqual(['cellar', 'board', 'harbour']);
  await expect(table.getByRole('columnheader', { name: 'Streamer' })).toHaveAttribute('aria-sort', 'descending');
  await expect(table.getByRole('columnheader', { name: 'Viewers' })).toHaveAttribute('aria-sort', 'none');

  const board = await admin.liveRow('board').elementHandle();
  await party.join('victor', 'viewer', ['board', 'harbour']);
  await expect(admin.liveRow('board').locator('.viewers')).toHaveText('2');
  expect(await board!.evaluate((row) => row.isConnected && row.querySelector('.viewers')!.textContent)).toBe('2');
  await expect(page.getByTestId('total-viewers')).toHaveText('3');

  await page.getByLabel('Filter by').fill('INK ana');
  await expect.poll(roomsOf(page)).toEqual(['harbour']);
  await expect(page.getByTestId('count')).toHaveText('1 of 3');
  await page.getByLabel('Filter by').fill('nobody says this');
  await expect(page.getByText('Nothing matches this filter. 3 live in all.')).toBeVisible();
  await page.getByRole('button', { name: 'Clear the filter' }).click();
  await page.getByLabel('Category', { exact: true }).selectOption('games');
  await expect.poll(roomsOf(page)).toEqual(['board']);
  await page.getByLabel('State', { exact: true }).selectOption('Reconnecting');
  await expect(page.getByText('Nothing matches this filter.')).toBeVisible();
  expect(admin.complaints).toEqual([]);
});

test('no row moves under the pointer, and an end is asked for once', async ({ node, party, open }) => {
  const live = await threeLive(party);
  const admin = await open(node.links.admin);
  const { page } = admin;
  await expect(rows(page)).toHaveCount(3);
  const before = await roomsOf(page)();
  const last = before.findLast((room) => room !== 'cellar')!;

  await rows(page).first().hover();
  await expect(page.getByTestId('held')).toBeVisible();
  await party.join('vera', 'viewer', [last]);
  await party.goLive('Dora', 'den', { title: 'Late', category: 'talk' });
  await expect(admin.liveRow(last).locator('.viewers')).toHaveText('1');
  await expect.poll(roomsOf(page), { message: 'who comes is last' }).toEqual([...before, 'den']);
  await live['cellar']!.end();
  await expect(admin.liveRow('cellar').locator('.bulb'), 'who goes stays, and cannot be ended').toHaveText(/ended/i);
  await expect(admin.liveRow('cellar').getByRole('button')).toHaveCount(0);
  expect(await roomsOf(page)()).toEqual([...before, 'den']);
  await page.mouse.move(0, 0);
  await expect(admin.liveRow('cellar')).toHaveCount(0);
  await expect.poll(async () => (await roomsOf(page)())[0], { message: 'the order follows' }).toBe(last);

  await page.getByRole('button', { name: 'End the broadcast of Ana' }).click();
  await expect(dialog(page)).toContainText('harbour');
  await dialog(page).getByRole('button', { name: 'Cancel' }).click();
  await expect(dialog(page)).toBeHidden();
  await expect(admin.liveRow('harbour').locator('.bulb')).toHaveText(/on air/i);
  await page.getByRole('button', { name: 'End the broadcast of Ana' }).click();
  await dialog(page).getByRole('button', { name: 'End broadcast' }).click();
  await page.mouse.move(0, 0);
  await expect(admin.liveRow('harbour')).toHaveCount(0);
  await expect(page.getByTestId('total-live')).toHaveText('2');
  await expect(page.getByTestId('announced')).toContainText('Ana is off air.', { timeout: 8_000 });
  expect(admin.complaints).toEqual([]);
});

test('of hundreds of rows those are drawn that can be seen, and the keyboard leads anywhere', async ({ node, party, open }) => {
  // Two messages a room: a connection may send 200 at once.
  const each = 50;
  for (let n = 0; n < 300 / each; n++) {
    const rooms = await party.join(`s${n}`, 'streamer', Array.from({ length: each }, (_, i) => `room-${String(n * each + i).padStart(3, '0')}`));
    await Promise.all(rooms.map((room) => room.start({ title: room.name, category: 'many' })));
  }
  const admin = await open(node.links.admin);
  const { page } = admin;
  await expect(page.getByTestId('count')).toHaveText('300 live');
  await page.getByTestId('live-table').getByRole('button', { name: 'Room' }).click();
  await expect(rows(page).first()).toHaveAttribute('data-room', 'room-000');
  expect(await rows(page).count()).toBeLessThan(60);
  await expect(page.getByTestId('live-table')).toHaveAttribute('aria-rowcount', '301');

  await page.getByTestId('live-scroller').focus();
  await page.keyboard.press('End');
  await expect(admin.liveRow('room-299')).toBeInViewport();
  await expect(admin.liveRow('room-299')).toHaveAttribute('aria-rowindex', '301');
  expect(await rows(page).count()).toBeLessThan(60);
  await page.keyboard.press('PageUp');
  await expect(admin.liveRow('room-299')).not.toBeInViewport();
  await page.keyboard.press('Home');
  await expect(admin.liveRow('room-000')).toBeInViewport();

  // A row with the focus is not lost by being scrolled away.
  await admin.liveRow('room-001').getByRole('link', { name: 'Watch' }).focus();
  await page.getByTestId('live-scroller').evaluate((scroller) => (scroller.scrollTop = scroller.scrollHeight));
  await expect(admin.liveRow('room-299')).toBeInViewport();
  expect(await page.evaluate(() => document.activeElement?.getAttribute('href'))).toBe('/watch/room-001');

  await page.setViewportSize({ width: 360, height: 740 });
  await expect(page.getByLabel('Sort by')).toBeVisible();
  await page.getByTestId('live-scroller').evaluate((scroller) => (scroller.scrollTop = scroller.scrollHeight));
  await expect(admin.liveRow('room-299')).toBeInViewport();
  expect(await rows(page).count()).toBeLessThan(40);
  expect(await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth)).toBeLessThanOrEqual(0);
  expect(admin.complaints).toEqual([]);
});

test('a room in detail: who is there, what happens, and what is done about it', async ({ node, open }) => {
  const alice = await open(node.links.studio);
  await alice.wantLamp('online');
  await alice.goLive('Ink');
  const bob = await open(node.links.watch);
  await bob.wantLamp('live');
  const admin = await open(node.links.admin);
  const { page } = admin;
  await admin.liveRow('demo').getByRole('link', { name: 'demo', exact: true }).click();

  await expect(page.getByRole('heading', { level: 1, name: 'demo' })).toBeVisible();
  await expect(page.getByTestId('room-title')).toHaveText('Ink');
  await expect(page.getByTestId('room-state')).toHaveText(/on air/i);
  const member = (name: string) => page.getByTestId('members').locator('tr', { hasText: name });
  await expect(member('Alice')).toContainText('streamer');
  await expect(member('Bob')).toContainText('viewer');
  await expect(page.getByTestId('members').locator('tr', { hasText: '(you)' }).getByRole('button')).toHaveCount(0);
  await expect(page.getByTestId('room-viewers'), 'who looks on does not count').toHaveText('1');

  const events = page.getByTestId('room-events').locator('li');
  await bob.say('buy my things');
  await expect(events.first()).toContainText('buy my things');
  await events.first().getByRole('button', { name: 'Delete' }).click();
  await dialog(page).getByRole('button', { name: 'Delete' }).click();
  await expect(bob.page.getByText('buy my things')).toHaveCount(0);
  await expect(events.filter({ hasText: 'Bob' })).toContainText('deleted');

  await page.getByTestId('slow').selectOption('30 seconds');
  await expect(events.first()).toContainText('Chat is slow: one line in 30 s');

  await member('Bob').getByRole('button', { name: 'Ban' }).click();
  await dialog(page).getByLabel('Reason').fill('advertising');
  await dialog(page).getByLabel('For how long').selectOption('1 day');
  await dialog(page).getByRole('button', { name: 'Ban', exact: true }).click();
  await expect(bob.expelled).toContainText('A moderator banned you from this room');
  const bans = page.getByTestId('room-bans').locator('li');
  await expect(bans).toContainText('advertising');
  await expect(events.first()).toContainText('advertising');
  await expect(member('Bob')).toHaveCount(0);
  await look(admin, 'admin-room');
  await bans.getByRole('button', { name: 'Unban' }).click();
  await dialog(page).getByRole('button', { name: 'Unban' }).click();
  await expect(bans).toHaveCount(0);

  await page.getByRole('button', { name: 'End broadcast' }).click();
  await dialog(page).getByRole('button', { name: 'End broadcast' }).click();
  await expect(page.getByTestId('room-state')).toHaveText(/standby/i);
  await expect(events.first()).toContainText('Off air: ended by an administrator');
  await alice.wantLamp('ended');
  expect(admin.complaints).toEqual([]);
});
