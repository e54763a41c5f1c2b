import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync } from 'node:fs';
import { constants, setPriority } from 'node:os';
import type { CDPSession, Page } from '@playwright/test';
import { expect, test } from '../fixtures.ts';
import { unlimited } from '../node.ts';
import { secret } from '../party.ts';

const setting = (name: string, otherwise: number) => Number(process.env[name] ?? otherwise);

/** How long it goes on. What the service promises is said of ten minutes. */
const minutes = setting('TALLYLIGHT_SOAK_MINUTES', 10);
/** How many broadcasts there are, each of a connection of its own. */
const broadcasts = setting('TALLYLIGHT_SOAK_ROWS', 10_000);
const viewers = broadcasts / 2;

/** By then everything that is kept is there: what the heap has more afterwards, it has for no reason. */
const settledMs = Math.min(2, minutes / 3) * 60_000;
/** What a heap of some 50 MiB is off by from one look to the next, though nothing is kept. */
const growthBytes = 8 * 2 ** 20;
/** What the scrolling must stay above, second by second. */
const slowestFps = 30;

const mebibytes = (bytes: number) => `${(bytes / 2 ** 20).toFixed(1)} MiB`;
const quantile = (values: number[], q: number) => values.toSorted((a, b) => a - b)[Math.floor(q * (values.length - 1))]!;

/** Real connections that broadcast, and as many viewers as make the rows change all the time. */
function startBench(link: string): ChildProcess {
  const flags = {
    url: new URL(link).origin.replace('http', 'ws'),
    'jwt-secret': secret,
    rooms: broadcasts,
    streamers: broadcasts,
    viewers,
    churn: viewers / 25,
    away: '10s',
    // As little as it takes to be kept going: a hundred events a second over all rooms.
    rate: 100 / broadcasts,
    for: `${minutes + 10}m`,
  };
  const args = Object.entries(flags).map(([name, value]) => `--${name}=${value}`);
  return spawn(process.env['TALLYLIGHT_BINARY'] ?? 'tallylight', ['bench', ...args], { stdio: 'inherit' });
}

/** How many frames were drawn in each second that they took. */
function bySecond(frames: number[]): number[] {
  const seconds: number[] = [];
  let [drawn, ms] = [0, 0];
  for (const frame of frames) {
    drawn++;
    ms += frame;
    if (ms < 1_000) continue;
    seconds.push((1_000 * drawn) / ms);
    [drawn, ms] = [0, 0];
  }
  return seconds;
}

/** Has a process, with all of its threads, wait for those that want the processor as well. */
function stepBack(pid: number): void {
  const tasks = `/proc/${pid}/task`;
  for (const id of existsSync(tasks) ? readdirSync(tasks) : [pid]) setPriority(Number(id), constants.priority.PRIORITY_BELOW_NORMAL);
}

async function heap(cdp: CDPSession): Promise<number> {
  await cdp.send('HeapProfiler.collectGarbage');
  return (await cdp.send('Runtime.getHeapUsage')).usedSize;
}

/** How long the page's own thread has worked so far, in milliseconds: what others take of the processor is not in it. */
async function worked(cdp: CDPSession): Promise<number> {
  const { metrics } = await cdp.send('Performance.getMetrics');
  return 1_000 * (metrics.find(({ name }) => name === 'TaskDuration')?.value ?? NaN);
}

/** Scrolls for a while, to and fro, and returns how long each frame took, and how often nothing was drawn where a row should be. */
function scroll(page: Page, forMs: number): Promise<{ frames: number[]; blanks: number }> {
  return page.getByTestId('live-scroller').evaluate(async (scroller, ms) => {
    const frames: number[] = [];
    let [blanks, speed] = [0, 23];
    const { left, top, width, height } = scroller.getBoundingClientRect();
    let last = await new Promise(requestAnimationFrame);
    for (const end = last + ms; last < end; ) {
      scroller.scrollTop += speed;
      if (scroller.scrollTop <= 0 || scroller.scrollTop + scroller.clientHeight >= scroller.scrollHeight - 1) speed = -speed;
      const now = await new Promise<number>(requestAnimationFrame);
      frames.push(now - last);
      last = now;
      const row = document.elementFromPoint(left + width / 2, top + height / 2)?.closest('[data-broadcast]');
      if (!row) blanks++;
    }
    return { frames, blanks };
  }, forMs);
}

test('ten thousand rows that change can be scrolled, and cost no more memory in time', async ({ start, open }) => {
  test.setTimeout((minutes + 10) * 60_000);
  const node = await start('--jwt-secret', secret, ...unlimited);
  const bench = startBench(node.links.live);
  try {
    const { page, complaints } = await open(node.links.admin);
    await expect(page.getByTestId('total-live')).toHaveText(broadcasts.toLocaleString('en'), { timeout: 240_000 });
    await expect(page.getByTestId('count')).toHaveText(`${broadcasts.toLocaleString('en')} live`);
    await page.evaluate(() => scrollTo(0, document.documentElement.scrollHeight));
    // Who looks on has a machine of their own: they are not to wait for the node and its 15,000 clients.
    for (const pid of [node.pid, bench.pid!]) stepBack(pid);

    const cdp = await page.context().newCDPSession(page);
    await cdp.send('Performance.enable', { timeDomain: 'threadTicks' });
    const frames: number[] = [];
    let workedMs = 0;
    const heaps: { at: number; used: number }[] = [];
    const seen = new Set<string>();
    let blanks = 0;
    const begun = Date.now();
    while (Date.now() - begun < minutes * 60_000) {
      const before = await worked(cdp);
      const turn = await scroll(page, 10_000);
      workedMs += (await worked(cdp)) - before;
      frames.push(...turn.frames);
      blanks += turn.blanks;
      heaps.push({ at: Date.now() - begun, used: await heap(cdp) });
      seen.add(await page.getByTestId('total-viewers').innerText());
    }

    const seconds = bySecond(frames);
    const fps = quantile(seconds, 0.01);
    const early = heaps.filter(({ at }) => at <= settledMs).map(({ used }) => used);
    const late = heaps.slice(-3).map(({ used }) => used);
    const growth = quantile(late, 0.5) - quantile(early.slice(-3), 0.5);
    const told = [
      `${seconds.length} seconds of scrolling: half of them with ${quantile(seconds, 0.5).toFixed(1)} frames or more, 99 % with ${fps.toFixed(1)}, the slowest with ${quantile(seconds, 0).toFixed(1)}`,
      `of ${frames.length} frames 95 % took ${quantile(frames, 0.95).toFixed(1)} ms or less, 99 % ${quantile(frames, 0.99).toFixed(1)}`,
      `${(workedMs / frames.length).toFixed(1)} ms of work for a frame`,
      `${blanks} of them with nothing in the middle of the table`,
      `heap after ${(settledMs / 60_000).toFixed(1)} minutes: ${mebibytes(quantile(early.slice(-3), 0.5))}; at the end ${mebibytes(growth)} more`,
      `the viewers had ${seen.size} different sums`,
    ];
    console.log(told.join('\n'));
    expect.soft(fps).toBeGreaterThan(slowestFps);
    expect.soft(growth).toBeLessThan(growthBytes);
    expect.soft(blanks / frames.length).toBeLessThan(0.01);
    expect.soft(seen.size, 'the rows change').toBeGreaterThan(2);
    expect(complaints).toEqual([]);
  } finally {
    bench.kill('SIGKILL');
    if (bench.exitCode === null && bench.signalCode === null) await once(bench, 'exit');
  }
});
