import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test as base, type Page } from '@playwright/test';
import { startNode, type Node } from './node.ts';
import { TestPage } from './pages.ts';
import { secret } from './party.ts';
import { startRedis } from './redis.ts';

interface Fixtures {
  /** Starts a node that is stopped at the end of the test, whatever happens. */
  start: (...flags: string[]) => Promise<Node>;
  /** Starts nodes of these names that are one service: with one Redis, one database, and the secret of a party. */
  startTogether: <Name extends string>(names: readonly Name[], ...flags: string[]) => Promise<Record<Name, Node>>;
  /** A node for this test alone. */
  node: Node;
  /** Opens a link in a browser of its own: another person. */
  open: (link: string) => Promise<TestPage>;
}

export const test = base.extend<Fixtures>({
  start: async ({}, use, info) => {
    const nodes: Node[] = [];
    await use(async (...flags) => {
      const node = await startNode(...flags);
      nodes.push(node);
      return node;
    });
    for (const node of nodes) {
      await node.stop();
      if (info.status !== info.expectedStatus) await info.attach('node.log', { body: node.log() });
    }
  },
  startTogether: async ({ start }, use) => {
    const redis = await startRedis();
    const folder = await mkdtemp(join(tmpdir(), 'tallylight-together-'));
    const shared = ['--redis', redis.url, '--database', `sqlite:${folder}/shared.db`, '--jwt-secret', secret];
    await use(async <Name extends string>(names: readonly Name[], ...flags: string[]) => {
      const nodes: Partial<Record<Name, Node>> = {};
      for (const name of names) nodes[name] = await start('--node', name, ...shared, ...flags);
      return nodes as Record<Name, Node>;
    });
    await redis.stop();
    await rm(folder, { recursive: true });
  },
  node: async ({ start }, use) => {
    await use(await start());
  },
  open: async ({ browser }, use) => {
    const pages: Page[] = [];
    await use(async (link) => {
      const page = await (await browser.newContext()).newPage();
      pages.push(page);
      const person = new TestPage(page);
      await page.goto(link);
      return person;
    });
    for (const page of pages) await page.context().close();
  },
});

export { expect } from '@playwright/test';
