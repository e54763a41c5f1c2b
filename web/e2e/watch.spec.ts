import { randomBytes } from 'node:crypto';
import * as jose from 'jose';
import { TallylightClient, type Role, type Room } from '../sdk/src/index.ts';
import { expect, test as base } from './fixtures.ts';
import { look } from './look.ts';
import { mint } from './mint.ts';
import type { TestPage } from './pages.ts';

const secret = randomBytes(32).toString('hex');

/** Somebody with an app instead of a browser. */
interface App {
  room: Room;
  client: TallylightClient;
}

interface Audience {
  /** Opens the watch page as this person, with a grant as viewer or as moderator. */
  watch: (name: string, role?: 'viewer' | 'moderator') => Promise<TestPage>;
  /** Joins as this person with the client alone. */
  join: (name: string, role?: Role) => Promise<App>;
}

const test = base.extend<Audience>({
  node: async ({ start }, use) => {
    await use(await start('--jwt-secret', secret));
  },
  watch: async ({ node, open }, use) => {
    await use(async (name, role = 'viewer') => {
      const token = mint(secret, '--user', name.toLowerCase(), '--name', name, `--${role}`, 'demo');
      const person = await open(`${bare(node.links.watch)}#token=${token}`);
      await person.wantConnection('connected');
      return person;
    });
  },
  join: async ({ node }, use) => {
    const apps: App[] = [];
    await use(async (name, role = 'viewer') => {
      const token = mint(secret, '--user', name.toLowerCase(), '--name', name, `--${role}`, 'demo');
      const client = new TallylightClient({ url: new URL(node.links.watch).origin, token });
      const app = { client, room: client.join('demo', { role }) };
      apps.push(app);
      void client.connect();
      await app.room.ready;
      return app;
    });
    for (const { client } of apps) client.close();
  },
});

const bare = (link: string) => link.split('#')[0] ?? '';
const field = ({ page }: TestPage) => page.getByLabel('Say something');
const floats = ({ page }: TestPage) => page.getByTestId('floats');
const expelled = ({ page }: TestPage) => page.getByTestId('expelled');
const dialog = ({ page }: TestPage) => page.getByTestId('dialog');
const button = ({ page }: TestPage, name: string) => page.getByRole('button', { name, exact: true });

/** Chooses from the menu of the last line that somebody said. */
async function choose({ page }: TestPage, name: string, action: string) {
  await page.getByRole('button', { name: `Moderate ${name}` }).last().click();
  await page.getByTestId('line-menu').getByRole('menuitem', { name: action }).click();
}

test('what one feels, the others see rising', async ({ watch, join }) => {
  const bob = await watch('Bob');
  const carol = await watch('Carol');
  const dave = await watch('Dave');
  await dave.page.emulateMedia({ reducedMotion: 'reduce' });

  await button(bob, 'Heart').click();
  await expect(floats(bob), 'at once').toContainText('❤️', { timeout: 1_000 });
  await expect(floats(carol)).toContainText('❤️');
  await expect(floats(dave), 'where nothing is to move').toContainText('❤️ 1');
  await expect(floats(carol), 'they are gone after a while').not.toContainText('❤️', { timeout: 10_000 });

  const eve = await join('Eve');
  const most = carol.page.evaluate(async () => {
    const layer = document.querySelector('[data-testid=floats] > div')!;
    let most = 0;
    for (const end = performance.now() + 4_000; performance.now() < end; ) {
      most = Math.max(most, layer.childElementCount);
      await new Promise((next) => setTimeout(next, 20));
    }
    return most;
  });
  await Promise.all(Array.from({ length: 45 }, () => eve.room.react('⚡')));
  await expect(floats(carol)).toContainText('⚡');
  expect(await most, 'however many there are').toBeLessThanOrEqual(30);
  expect([...bob.complaints, ...carol.complaints, ...dave.complaints]).toEqual([]);
});

test('who reacts too fast has to take a breath, and is not told off', async ({ watch }) => {
  const bob = await watch('Bob');
  await expect(button(bob, 'Laughter')).toHaveAttribute('aria-disabled', 'false');
  // It is over so soon that a busy machine may look too late: each change is noted.
  const changes = await button(bob, 'Laughter').evaluateHandle((laugh: HTMLElement) => {
    const note = document.querySelector('[data-testid=reaction-note]')!;
    const changes: string[] = [];
    new MutationObserver(() => changes.push(`${note.textContent} ${laugh.ariaDisabled}`)).observe(laugh, { attributeFilter: ['aria-disabled'] });
    for (let i = 0; i < 15; i++) laugh.click();
    return changes;
  });
  await expect.poll(() => changes.jsonValue()).toContain('A short breath… true');
  await expect(button(bob, 'Laughter')).toHaveAttribute('aria-disabled', 'false');
  await expect(bob.page.getByTestId('reaction-note')).toHaveText('');
});

test('slow mode: set in the studio, counted down beside the field', async ({ node, open, watch }) => {
  const alice = await open(node.links.studio);
  const bob = await watch('Bob');
  await alice.wantLamp('online');
  await alice.page.getByTestId('slow').click();
  await dialog(alice).getByLabel('One line in').selectOption({ label: '30 seconds' });
  await dialog(alice).getByRole('button', { name: 'Set' }).click();
  await expect(bob.chatLines.last()).toHaveText('Chat is slow now: one line in 30 seconds each');
  await expect(bob.page.getByTestId('chat-slow')).toHaveText(/one line in 30 seconds/);

  await bob.say('First');
  await expect(bob.page.getByTestId('chat-slow')).toHaveText(/You may speak again in [23]\d s\./);
  await field(bob).fill('Second');
  await expect(button(bob, 'Send')).toBeDisabled();
  await alice.say('I need not wait');
  await alice.say('at all');

  await bob.page.reload();
  await field(bob).fill('Third, after a reload that forgot when the first was');
  await button(bob, 'Send').click();
  await expect(bob.page.getByTestId('chat-slow'), 'the server has not').toHaveText(/You may speak again in [12]\d s\./);
  await expect(field(bob), 'what was typed is kept').toHaveValue(/^Third/);

  await alice.page.getByTestId('slow').click();
  await dialog(alice).getByLabel('One line in').selectOption({ label: 'No waiting' });
  await dialog(alice).getByRole('button', { name: 'Set' }).click();
  await expect(bob.page.getByTestId('chat-slow')).toBeHidden();
  expect([...alice.complaints, ...bob.complaints]).toEqual([]);
});

test('a moderator deletes, mutes and unmutes; others cannot', async ({ watch }) => {
  const mo = await watch('Mo', 'moderator');
  const eve = await watch('Eve');
  await eve.say('Buy my things');
  await expect(mo.chatLines).toHaveText(['Buy my things']);
  await expect(eve.page.getByRole('button', { name: /Moderate/ })).toHaveCount(0);

  await choose(mo, 'Eve', 'Delete line…');
  await dialog(mo).getByRole('button', { name: 'Delete line' }).click();
  await expect(eve.chatLines).toHaveCount(0);
  await expect(mo.chatLines).toHaveCount(0);

  await eve.say('Buy more');
  await choose(mo, 'Eve', 'Mute…');
  await dialog(mo).getByLabel('For how long').selectOption({ label: '10 minutes' });
  await dialog(mo).getByLabel('Why').fill('spam');
  await dialog(mo).getByRole('button', { name: 'Mute' }).click();
  await expect(mo.chatLines.last()).toHaveText('Eve was muted for 10 minutes: spam');
  await expect(eve.page.getByTestId('chat-silent')).toHaveText(/^You are muted until .+: spam\./);
  await expect(field(eve)).toBeHidden();
  await expect(button(eve, 'Heart')).toHaveAttribute('aria-disabled', 'true');
  await look(eve, 'watch-muted');

  await eve.page.reload();
  await field(eve).fill('Am I?');
  await button(eve, 'Send').click();
  await expect(eve.page.getByTestId('chat-silent'), 'the answer says it again').toHaveText(/^You are muted until .+: spam\./);

  await choose(mo, 'Eve', 'Unmute');
  await expect(mo.chatLines.last()).toHaveText('Eve may speak again');
  await eve.say('Thank you');
  await expect(mo.chatLines.last()).toHaveText('Thank you');
  expect([...mo.complaints, ...eve.complaints]).toEqual([]);
});

test('who is kicked or banned is told why and until when, and comes back when it is over', async ({ node, open, watch }) => {
  const alice = await open(node.links.studio);
  const eve = await watch('Eve');
  await alice.wantLamp('online');
  await eve.say('Rude words');
  await choose(alice, 'Eve', 'Kick…');
  await dialog(alice).getByLabel('Why').fill('be nice');
  await dialog(alice).getByRole('button', { name: 'Kick' }).click();
  await expect(alice.page.getByTestId('moderated')).toHaveText('Eve was put out of the room.');
  await expect(expelled(eve)).toContainText('A moderator put you out of this room');
  await expect(expelled(eve)).toContainText('be nice');
  await look(eve, 'watch-kicked');

  await button(eve, 'Connect again').click();
  await eve.wantConnection('connected');
  await eve.say('More of them');
  await choose(alice, 'Eve', 'Ban…');
  await dialog(alice).getByLabel('For how long').selectOption({ label: '10 minutes' });
  await dialog(alice).getByLabel('Why').fill('enough');
  await dialog(alice).getByRole('button', { name: 'Ban' }).click();
  await expect(alice.chatLines.last()).toHaveText('Eve was banned for 10 minutes: enough');
  await expect(expelled(eve)).toContainText('A moderator banned you from this room');

  await eve.page.reload();
  await expect(expelled(eve), 'the next one that comes in is told the same').toContainText('enough');
  await expect(expelled(eve)).toContainText(/You may come back at /);
  await expect(eve.page.getByTestId('left')).toHaveText(/^(10:00|9:\d\d)$/);
  await expect(button(eve, 'Connect again')).toBeHidden();
  await look(eve, 'watch-banned');

  await choose(alice, 'Eve', 'Lift the ban');
  await eve.page.reload();
  await eve.wantConnection('connected');
  await expect(field(eve)).toBeVisible();
  expect([...alice.complaints, ...eve.complaints]).toEqual([]);
});

test('a link that is too old says so, and a new one goes on', async ({ node, open }) => {
  const old = await new jose.SignJWT({ grants: [{ room: 'demo', role: 'viewer' }] })
    .setProtectedHeader({ alg: 'HS256' })
    .setSubject('bob')
    .setExpirationTime(Math.floor(Date.now() / 1000) - 3_600)
    .sign(new TextEncoder().encode(secret));
  const bob = await open(`${bare(node.links.watch)}#token=${old}`);
  await expect(bob.page.getByRole('heading', { name: 'This link is too old' })).toBeVisible();
  await expect(bob.page.getByTestId('token-form')).toContainText('Ask for a new one');
  await look(bob, 'watch-too-old');

  await bob.page.getByLabel('Token or link').fill(node.links.watch);
  await button(bob, 'Continue').click();
  await bob.wantConnection('connected');
});

test('by keyboard and on a phone: menu, dialog, and the field above the fold', async ({ join, watch }) => {
  const mo = await watch('Mo', 'moderator');
  const alice = await join('Alice', 'streamer');
  const eve = await join('Eve');
  await alice.room.start({ title: 'Ink' });
  await expect(mo.page).toHaveTitle('● demo · Tallylight');
  await eve.room.chat('Hello');
  await expect(mo.chatLines.last()).toHaveText('Hello');

  const more = mo.page.getByRole('button', { name: 'Moderate Eve' });
  await more.focus();
  await mo.page.keyboard.press('Enter');
  const items = mo.page.getByTestId('line-menu').getByRole('menuitem');
  await expect(items.first()).toBeFocused();
  await look(mo, 'watch-menu');
  await mo.page.keyboard.press('ArrowDown');
  await expect(items.nth(1)).toBeFocused();
  await mo.page.keyboard.press('Escape');
  await expect(items).toHaveCount(0);
  await expect(more).toBeFocused();

  await mo.page.setViewportSize({ width: 360, height: 640 });
  await field(mo).focus();
  await field(mo).scrollIntoViewIfNeeded();
  await expect(field(mo)).toBeInViewport();
  await expect(mo.page.getByTestId('chat-log'), 'with what it answers').toBeInViewport({ ratio: 0.5 });
  expect(await mo.page.evaluate(() => document.documentElement.scrollWidth - innerWidth)).toBeLessThanOrEqual(0);

  for (let i = 0; i < 5; i++) await mo.say(`Line ${i} ${'and so on '.repeat(15)}`);
  await mo.page.setViewportSize({ width: 360, height: 320 });
  await field(mo).scrollIntoViewIfNeeded();
  await expect(mo.chatLines.last(), 'the newest stays to be seen above a keyboard').toBeInViewport({ ratio: 0.9 });
  await mo.page.getByTestId('chat-log').evaluate((log) => (log.scrollTop = 0));
  await eve.room.chat('Look down');
  await mo.page.getByRole('button', { name: /1 new message/ }).click();
  await expect(mo.chatLines.last()).toBeInViewport();
  await expect(mo.page.getByRole('button', { name: /new message/ })).toBeHidden();

  await alice.room.end();
  await expect(mo.page).toHaveTitle('demo · Tallylight');
  expect(mo.complaints).toEqual([]);
});
