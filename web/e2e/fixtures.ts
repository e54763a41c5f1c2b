import { test as base, type Page } from '@playwright/test';
import { startNode, type Node } from './node.ts';
import { TestPage } from './pages.ts';

interface Fixtures {
  /** Starts a node that is stopped at the end of the test, whatever happens. */
  start: (...flags: string[]) => Promise<Node>;
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
