import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Page } from '@playwright/test';
import { expect, test } from './fixtures.ts';
import { newProxy } from './nginx.ts';

// Cross-site WebSocket hijacking: a page of somebody else's, in the browser of somebody who is signed in with us.

/** Serves an empty page, and one that holds the first in a frame without an origin. */
async function newSite(name: string): Promise<{ origin: string; close: () => Promise<void> }> {
  const server = createServer((request, response) => {
    response.setHeader('content-type', 'text/html');
    response.end(request.url === '/frame' ? '<iframe sandbox="allow-scripts" srcdoc="<p>nobody"></iframe>' : '<p>a page');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    origin: `http://${name}:${port}`,
    close: async () => {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

interface Attempt {
  opened: boolean;
  /** The type of the first message. */
  said?: string;
  code?: number;
}

/** What comes of a socket from a page: how far it gets with a good token. */
const attempt = (page: { evaluate: Page['evaluate'] }, link: string) =>
  page.evaluate(
    ({ url, token }) =>
      new Promise<Attempt>((tell) => {
        const socket = new WebSocket(url, 'tallylight.v1');
        let opened = false;
        socket.onopen = () => {
          opened = true;
          socket.send(JSON.stringify({ type: 'hello', token }));
        };
        socket.onmessage = ({ data }) => tell({ opened, said: (JSON.parse(String(data).split('\n')[0] ?? '') as { type: string }).type });
        socket.onclose = ({ code }) => tell({ opened, code });
      }),
    { url: new URL('/v1/ws', link).href.replace('http', 'ws'), token: link.split('#token=')[1] ?? '' },
  );

/** Whether a page may read an answer of the API. */
const reads = (page: { evaluate: Page['evaluate'] }, link: string) =>
  page.evaluate(
    ({ url, token }) => fetch(url, { headers: { authorization: `Bearer ${token}` } }).then((answer) => answer.status, () => 'refused'),
    { url: new URL('/v1/validate', link).href, token: link.split('#token=')[1] ?? '' },
  );

const welcome: Attempt = { opened: true, said: 'welcome' };
const refused: Attempt = { opened: false, code: 1006 };

test('a page of another origin gets no socket, and no answer', async ({ node, open }) => {
  const evil = await newSite('localhost'); // the node is at 127.0.0.1
  try {
    const own = await open(node.links.watch);
    await own.wantConnection('connected');
    expect(await attempt(own.page, node.links.watch), 'our own page').toEqual(welcome);

    const page = (await open(evil.origin)).page;
    expect(await attempt(page, node.links.watch), 'another page, with a good token').toEqual(refused);
    expect(await reads(page, node.links.watch)).toBe('refused');
    await page.goto(`${evil.origin}/frame`);
    const frame = page.frames()[1]!;
    expect(await attempt(frame, node.links.watch), 'a page without an origin').toEqual(refused);
    expect(await reads(frame, node.links.watch)).toBe('refused');
    expect(node.log()).toContain('pages of this origin may not connect');
  } finally {
    await evil.close();
  }
});

test('behind a balancer that rewrites Host, the list decides', async ({ start, open }) => {
  const [good, evil] = [await newSite('127.0.0.1'), await newSite('localhost')];
  const node = await start('--allowed-origin', good.origin, '--allowed-origin', 'https://*.example.com');
  // The balancer gives the node the very host that the bad page is from: to who compares the two, it would be our own.
  const proxy = await newProxy(node.links.watch, new URL(evil.origin).host);
  try {
    const link = proxy.through(node.links.watch);
    const page = (await open(good.origin)).page;
    expect(await attempt(page, link), 'the page on the list').toEqual(welcome);
    expect(await reads(page, link)).toBe(200);
    const other = (await open(evil.origin)).page;
    expect(await attempt(other, link), 'another page, whose host is the one that the node sees').toEqual(refused);
    expect(await reads(other, link)).toBe('refused');
    await other.goto(`${evil.origin}/frame`);
    expect(await attempt(other.frames()[1]!, link), 'a page without an origin').toEqual(refused);
  } finally {
    await proxy.close();
    await good.close();
    await evil.close();
  }
});

test('behind a balancer that rewrites Host, without a list, even our own pages are refused, and the log says why', async ({ node, open }) => {
  const proxy = await newProxy(node.links.watch, 'backend.internal');
  try {
    const page = (await open(proxy.through(node.links.watch).split('#')[0] ?? '')).page;
    expect(await attempt(page, proxy.through(node.links.watch))).toEqual(refused);
    expect(node.log()).toContain('--allowed-origin');
  } finally {
    await proxy.close();
  }
});
