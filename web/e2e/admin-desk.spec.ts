import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { Locator, Page } from '@playwright/test';
import { SignJWT } from 'jose';
import { expect, test } from './fixtures.ts';
import { look } from './look.ts';
import type { Node } from './node.ts';
import type { TestPage } from './pages.ts';
import { startReceiver } from './receiver.ts';

const secret = 'the secret that this test signs with, 32 bytes';
const tokenIn = (link: string) => link.split('#token=')[1] ?? '';

/** Asks the HTTP API as the administrator does. */
async function api(node: Node, method: string, path: string, body?: unknown): Promise<void> {
  const headers = { Authorization: `Bearer ${tokenIn(node.links.admin)}`, 'Content-Type': 'application/json' };
  const init = { method, headers, ...(body !== undefined && { body: JSON.stringify(body) }) };
  const response = await fetch(new URL(path, node.links.admin), init);
  expect(response.ok, `${method} ${path}: ${response.status}`).toBe(true);
}

/** Goes to a view by its address. */
async function goTo({ page }: TestPage, address: string): Promise<void> {
  await page.evaluate((hash) => (location.hash = hash), address);
}

const row = (page: Page, table: string, text: string): Locator => page.getByTestId(table).getByRole('row').filter({ hasText: text });

/** Does what a dialog asks for. */
async function confirm(page: Page, action: string): Promise<void> {
  await page.getByTestId('dialog').getByRole('button', { name: action, exact: true }).click();
  await expect(page.getByTestId('dialog')).toBeHidden();
}

test('views with nothing in them say so', async ({ node, open }) => {
  const admin = await open(node.links.admin);
  const empty = {
    Broadcasts: 'There was no broadcast yet.',
    Webhooks: 'Nobody is told what happens.',
    Bans: 'Nobody is banned from the whole service.',
    Revocations: 'No token is revoked.',
    Audit: 'Nobody has done anything yet.',
  };
  for (const [view, words] of Object.entries(empty)) {
    await admin.show(view);
    await expect(admin.page.getByText(words)).toBeVisible();
    await look(admin, `empty-${view.toLowerCase()}`);
  }
  await goTo(admin, '#/broadcasts/019a0000-0000-7000-8000-000000000000');
  await expect(admin.page.getByTestId('trouble')).toBeVisible();
  expect(admin.complaints.filter((words) => !words.includes('404'))).toEqual([]);
});

/** Writes viewers of an hour into the record, as nodes do minute by minute. */
function writeCurve(file: string): void {
  const record = new DatabaseSync(file);
  const { id, started } = record.prepare('SELECT id, started_at AS started FROM broadcasts').get() as { id: string; started: number };
  const insert = record.prepare('INSERT OR REPLACE INTO viewer_samples (broadcast, at, viewers) VALUES (?, ?, ?)');
  const firstMs = Math.ceil(started / 60_000) * 60_000;
  for (let minute = 0; minute < 60; minute++) insert.run(id, firstMs + minute * 60_000, minute < 30 ? minute * 4 : 240 - minute * 4);
  record.close();
}

test('a broadcast of the past: in the list, by its filters, in detail, and as a table', async ({ start, open }) => {
  const folder = await mkdtemp(join(tmpdir(), 'tallylight-past-'));
  const node = await start('--database', `sqlite:${folder}/record.db`);
  const alice = await open(node.links.studio);
  const bob = await open(node.links.watch);
  const admin = await open(node.links.admin);
  await admin.show('Broadcasts');
  await alice.goLive('Ink and water');
  await bob.wantLamp('live');
  await api(node, 'POST', '/v1/streamers/alice/end', {});

  const ended = row(admin.page, 'ended-table', 'Ink and water');
  await expect(ended).toContainText('ended by an administrator');
  await look(admin, 'broadcasts');

  const saving = admin.page.waitForEvent('download');
  await admin.page.getByRole('button', { name: 'Download CSV' }).click();
  const saved = await saving;
  expect(saved.suggestedFilename()).toBe('broadcasts.csv');
  const table = await readFile(await saved.path(), 'utf8');
  expect(table).toContain('peak_viewers');
  expect(table).toContain('Ink and water');

  await admin.page.getByLabel('Streamer', { exact: true }).fill('carol');
  await admin.page.getByRole('button', { name: 'Show', exact: true }).click();
  await expect(admin.page.getByText('No broadcast matches these filters.')).toBeVisible();
  await admin.page.reload();
  await expect(admin.page.getByLabel('Streamer', { exact: true }), 'filters stand in the address').toHaveValue('carol');
  await admin.page.getByRole('link', { name: 'Clear filters' }).click();

  await ended.getByRole('link', { name: 'Ink and water' }).click();
  await expect(admin.page.getByRole('heading', { level: 1, name: 'Ink and water' })).toBeVisible();
  const facts = admin.page.getByTestId('broadcast-facts');
  await expect(facts).toContainText('Unique viewers');
  writeCurve(join(folder, 'record.db'));
  await admin.page.reload();
  await expect(admin.page.getByTestId('chart')).toHaveAttribute('aria-label', 'Viewers over time: 60 minutes, 120 at most');
  await look(admin, 'broadcast');
  const savingCurve = admin.page.waitForEvent('download');
  await admin.page.getByRole('button', { name: 'Download CSV' }).click();
  expect((await readFile(await (await savingCurve).path(), 'utf8')).split('\r\n')).toHaveLength(62); // names, minutes, the end
  await facts.getByRole('link', { name: 'Alice' }).click();
  await expect(ended).toBeVisible();
  expect(admin.complaints).toEqual([]);
  await node.stop();
  await rm(folder, { recursive: true });
});

test('a webhook is added, fails, is mended, and sends again what it is asked for', async ({ start, open }) => {
  const node = await start('--webhook-allow-private');
  const receiver = await startReceiver();
  try {
    receiver.answer(500);
    const alice = await open(node.links.studio);
    const admin = await open(node.links.admin);
    const { page } = admin;
    await admin.show('Webhooks');
    await page.getByRole('button', { name: 'Add webhook' }).click();
    await look(admin, 'webhook-add');
    await page.getByLabel('URL').fill(receiver.url);
    await page.getByLabel('room.occupied').uncheck();
    await page.getByLabel('room.vacated').uncheck();
    await page.getByTestId('dialog').getByRole('button', { name: 'Add', exact: true }).click();
    await expect(page.getByTestId('secret')).toHaveValue(/^whsec_/);
    await page.getByRole('button', { name: 'Copy' }).click();
    await expect(page.getByText('Copied')).toBeVisible();
    await look(admin, 'webhook-secret');
    await confirm(page, 'I have it');
    await expect(row(page, 'webhooks-table', receiver.url)).toContainText('stream.online');
    await look(admin, 'webhooks');
    await page.getByRole('link', { name: receiver.url }).click();
    await expect(page.getByText('Nothing was sent yet.')).toBeVisible();

    await alice.goLive('To be told');
    const online = row(page, 'deliveries-table', 'stream.online');
    await expect(online).toContainText('500', { timeout: 15_000 });
    await expect(online).toContainText('Waiting');
    await look(admin, 'webhook-failing');
    receiver.answer(200);
    await online.getByRole('button', { name: 'Retry' }).click();
    await expect(online).toContainText('Delivered', { timeout: 15_000 });

    // It was taken: to send it again takes a second click.
    const before = receiver.received.length;
    await online.getByRole('button', { name: 'Retry' }).click();
    await confirm(page, 'Send again');
    await expect.poll(() => receiver.received.length).toBeGreaterThan(before);
    const ids = receiver.received.filter(({ type }) => type === 'stream.online').map(({ id }) => id);
    expect(new Set(ids).size, 'it is the same event each time').toBe(1);

    await online.getByText('Body').click();
    await expect(online).toContainText('"type": "stream.online"');
    await look(admin, 'webhook');
    await page.getByRole('button', { name: 'Replay…' }).click();
    await page.getByLabel('Those that were taken, too').check();
    await confirm(page, 'Send again');
    await expect(page.getByText('1 delivery is being made again.')).toBeVisible();

    // An endpoint that says that it is gone is paused at once, until somebody knows better.
    const facts = page.getByTestId('webhook-facts');
    await expect(online).toContainText('Delivered', { timeout: 15_000 });
    receiver.answer(410);
    await online.getByRole('button', { name: 'Retry' }).click();
    await confirm(page, 'Send again');
    await expect(facts).toContainText('Paused', { timeout: 15_000 });
    receiver.answer(200);
    await page.getByRole('button', { name: 'Try now' }).click();
    await expect(facts).toContainText('Active');
    await expect(online).toContainText('Delivered', { timeout: 15_000 });
    expect(admin.complaints).toEqual([]);

    await page.getByRole('button', { name: 'Delete' }).click();
    await expect(page.getByTestId('dialog')).toContainText(`${receiver.url} is told nothing more.`);
    await confirm(page, 'Delete it');
    await expect(page.getByText('Nobody is told what happens.')).toBeVisible();
  } finally {
    await receiver.close();
  }
});

test('somebody is banned and let in again, muted, and the audit has all of it', async ({ node, open }) => {
  const bob = await open(node.links.watch);
  await bob.wantConnection('connected');
  const admin = await open(node.links.admin);
  const { page } = admin;
  await admin.show('Bans');

  await page.getByRole('button', { name: 'Ban…' }).click();
  const dialog = page.getByTestId('dialog');
  await dialog.getByLabel('User id').fill('bob');
  await dialog.getByLabel('Room').fill('demo');
  await dialog.getByLabel('For how long').selectOption('An hour');
  await dialog.getByLabel('Reason').fill('Shouting');
  await look(admin, 'ban-dialog');
  await confirm(page, 'Ban');
  await expect(bob.expelled).toContainText('banned');
  await expect(page.getByText('Nobody is banned from the whole service.'), 'it is of one room').toBeVisible();

  await page.getByRole('textbox', { name: 'Room' }).fill('demo');
  await page.getByRole('button', { name: 'Show', exact: true }).click();
  const banned = page.getByTestId('ban-list').getByRole('row').filter({ hasText: 'bob' });
  await expect(banned).toContainText('Shouting');
  await page.getByRole('button', { name: 'Mute…' }).click();
  await dialog.getByLabel('User id').fill('carol');
  await dialog.getByLabel('For how long').selectOption('Until it is lifted');
  await confirm(page, 'Mute');
  await expect(page.getByTestId('mute-list')).toContainText('carol');
  await look(admin, 'bans');

  await banned.getByRole('button', { name: 'Lift' }).click();
  await confirm(page, 'Lift the ban');
  await expect(page.getByText('Nobody is banned in demo.')).toBeVisible();
  await page.getByRole('button', { name: 'Ban…' }).click();
  await dialog.getByLabel('An address').check();
  await dialog.getByLabel('IP address').fill('not an address');
  await dialog.getByRole('button', { name: 'Ban', exact: true }).click();
  await expect(dialog.getByRole('alert'), 'the server says what is wrong').toContainText('The server said no');
  await dialog.getByRole('button', { name: 'Cancel' }).click();

  await admin.show('Audit');
  const acts = page.getByTestId('audit-table').getByRole('row');
  await expect(acts).toHaveCount(4); // with that of the names
  await expect(acts.nth(1)).toContainText('lifted the ban of');
  await expect(acts.nth(2)).toContainText('muted');
  await expect(acts.nth(3)).toContainText('Shouting');
  await look(admin, 'audit');
  await acts.nth(2).getByRole('link', { name: 'carol' }).click();
  await expect(acts).toHaveCount(2);
  await page.getByLabel('Did').selectOption('banned');
  await page.getByRole('button', { name: 'Show', exact: true }).click();
  await expect(page.getByText('Nothing matches these filters.')).toBeVisible();
  expect(admin.complaints.filter((words) => !words.includes('400'))).toEqual([]);
});

test('tokens are revoked, and taken back', async ({ node, open }) => {
  const bob = await open(node.links.watch);
  await bob.wantConnection('connected');
  const admin = await open(node.links.admin);
  const { page } = admin;
  await admin.show('Revocations');
  await page.getByRole('button', { name: 'Revoke…' }).click();
  await page.getByLabel('All tokens of a user').check();
  await page.getByLabel('User id').fill('bob');
  await page.getByLabel('Reason').fill('Lost laptop');
  await look(admin, 'revoke-dialog');
  await confirm(page, 'Revoke');
  const revoked = row(page, 'revocation-table', 'All tokens of bob');
  await expect(revoked).toContainText('Lost laptop');
  await expect(bob.page.getByTestId('token-form'), 'bob is put out').toBeVisible();
  await look(admin, 'revocations');
  await revoked.getByRole('button', { name: 'Take back' }).click();
  await confirm(page, 'Take it back');
  await expect(page.getByText('No token is revoked.')).toBeVisible();
  expect(admin.complaints).toEqual([]);
});

test('a node is drained, and seen to be empty', async ({ startTogether, open }) => {
  const { one, two } = await startTogether(['one', 'two'], '--drain', '2s');
  const bob = await open(two.links.watch);
  await bob.wantConnection('connected');
  const admin = await open(one.links.admin);
  const { page } = admin;
  await admin.show('Nodes');
  const [here, there] = [row(page, 'nodes-table', 'answers here'), page.getByTestId('nodes-table').getByRole('row').filter({ hasNotText: 'answers here' }).nth(1)];
  await expect(here).toContainText('Serving');
  await expect(here).toContainText('MiB');
  await expect(here).toContainText(/\d ms/);
  await expect(there.getByTestId('connections')).toHaveText('1', { timeout: 10_000 });
  await look(admin, 'nodes');

  await there.getByRole('button', { name: 'Drain' }).click();
  await expect(page.getByTestId('dialog')).toContainText('Its one connection is sent to the other nodes');
  await look(admin, 'drain-dialog');
  await confirm(page, 'Drain it');
  await expect(there.locator('[data-state]')).toHaveAttribute('data-state', 'drained', { timeout: 15_000 });
  await expect(there.getByTestId('emptying')).toContainText('it can be stopped');
  await look(admin, 'nodes-drained');

  await here.getByRole('button', { name: 'Drain' }).click();
  await expect(page.getByTestId('dialog')).toContainText('There is no other node that serves');
  await page.getByRole('button', { name: 'Cancel' }).click();
  await admin.show('Audit');
  await expect(row(page, 'audit-table', 'drained node')).toContainText('two');
  expect(admin.complaints).toEqual([]);
});

test('a token that opens only some views is told so politely', async ({ start, open }) => {
  const node = await start('--jwt-secret', secret);
  const token = await new SignJWT({ scope: 'directory' })
    .setProtectedHeader({ alg: 'HS256' })
    .setSubject('reader')
    .setExpirationTime('1h')
    .sign(new TextEncoder().encode(secret));
  const reader = await open(node.links.admin.replace(/#token=.*/, `#token=${token}`));
  await reader.show('Broadcasts');
  await expect(reader.page.getByText('There was no broadcast yet.')).toBeVisible();
  const scopes = { Nodes: 'admin', Webhooks: 'service or admin', Bans: 'service or admin', Revocations: 'service or admin', Audit: 'admin' };
  for (const [view, scope] of Object.entries(scopes)) {
    await reader.show(view);
    await expect(reader.page.getByTestId('forbidden')).toHaveText(`This takes a token with scope ${scope}. Yours opens other views.`);
    await expect(reader.page.getByRole('alert')).toHaveCount(0);
    await look(reader, `forbidden-${view.toLowerCase()}`);
  }
});
