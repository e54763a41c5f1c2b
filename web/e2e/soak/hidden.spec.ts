import { TallylightClient } from '../../sdk/src/index.ts';
import { expect, test } from '../fixtures.ts';
import { newBalancer } from '../nginx.ts';
import { startBrowser, type Tab } from './browser.ts';

// Chrome fires the timers of a page that was hidden for five minutes once a minute. A heartbeat every 50 s would then be one
// every 60 s, which is what nginx waits for by default.

const minute = 60_000;
const hiddenMs = 7 * minute;

/** Notes when timers of the page fire, and what the page says of its connection. */
const watchPage = `(() => {
  window.ticks = [];
  setInterval(() => window.ticks.push(Date.now()), 1000);
  const note = document.querySelector('[data-testid=connection]');
  window.connections = [];
  new MutationObserver(() => window.connections.push(note.dataset.state)).observe(note, { attributeFilter: ['data-state'] });
})()`;

const textOf = (testId: string) => `document.querySelector('[data-testid="${testId}"]')?.textContent ?? ''`;
const stateOf = (testId: string) => `document.querySelector('[data-testid="${testId}"]')?.dataset.state ?? ''`;

/** The longest time between two timers of the last two minutes that were to fire each second. */
const slowestTick = `(() => {
  const late = [...window.ticks, Date.now()].filter((at) => at > Date.now() - 150_000);
  return Math.max(...late.slice(1).map((at, i) => at - late[i]));
})()`;

const until = (tab: Tab, expression: string, value: unknown) => expect.poll(() => tab.evaluate(expression), { timeout: 20_000 }).toBe(value);

test('pages that are hidden for seven minutes stay connected behind nginx, and current', async ({ start }) => {
  test.setTimeout(hiddenMs + 3 * minute);
  const node = await start();
  const balancer = await newBalancer(node.links.live);
  const browser = await startBrowser();
  try {
    const bob = await browser.open(balancer.through(node.links.watch));
    const alice = await browser.open(balancer.through(node.links.studio));
    for (const tab of [bob, alice]) {
      await until(tab, stateOf('connection'), 'connected');
      await tab.evaluate(watchPage);
    }
    await until(bob, stateOf('lamp'), 'online');
    await alice.evaluate(`[...document.querySelectorAll('button')].find(({ className }) => className.includes('big')).click()`);
    await until(bob, stateOf('lamp'), 'live');

    const front = await browser.open('about:blank');
    await front.bringToFront();
    for (const tab of [bob, alice]) await until(tab, 'document.visibilityState', 'hidden');
    // Somebody else in the room, who hears what the service says of alice.
    const { origin, hash } = new URL(node.links.watch);
    const carol = new TallylightClient({ url: origin, token: hash.replace('#token=', '') });
    const told: string[] = [];
    carol.join('demo').on('event', ({ event }) => told.push(event));
    await carol.connect();

    await new Promise((over) => setTimeout(over, hiddenMs));

    for (const tab of [bob, alice]) {
      expect(await tab.evaluate('document.visibilityState')).toBe('hidden');
      expect(await tab.evaluate<number>(slowestTick), 'the browser slows the timers of the page down').toBeGreaterThan(50_000);
      expect(await tab.evaluate('window.connections'), 'the connection was never lost').toEqual([]);
    }
    expect(told, 'alice was never missed').toEqual([]);

    // What is said now is there now.
    await carol.join('demo').chat('Are you still there?');
    const heard = `document.querySelector('[data-testid="chat-log"]').textContent.includes('Are you still there?')`;
    for (const tab of [bob, alice]) await until(tab, heard, true);
    const beat = await alice.evaluate<string>(textOf('heartbeat'));
    const [, minutes = '9', seconds = '0'] = /(\d+):(\d\d) ago/.exec(beat) ?? [];
    console.log(`alice's page after seven minutes: ${beat.trim()}; ticks of its timers ${await alice.evaluate<number>(slowestTick)} ms apart`);
    expect(Number(minutes) * 60 + Number(seconds), 'alice beats as often as ever').toBeLessThan(115);
    carol.close();
  } finally {
    await browser.close();
    await balancer.close();
  }
});
