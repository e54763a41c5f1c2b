import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect, test as base } from './fixtures.ts';
import type { Node } from './node.ts';
import { fillIn, Project, sample, Site } from './package.ts';
import type { TestPage } from './pages.ts';

// The SDK as a stranger has it: packed, installed and used with nothing else of this repository.

const test = base.extend<{ site: Site; service: (...flags: string[]) => Promise<Node> }, { project: Project }>({
  /** Packing runs the compiler and a bundler: once for all. */
  project: [
    async ({}, use) => {
      const project = new Project();
      try {
        await project.install();
        await use(project);
      } finally {
        project.remove();
      }
    },
    { scope: 'worker', timeout: 180_000 },
  ],
  site: async ({}, use) => {
    const site = new Site();
    await site.listen();
    await use(site);
    await site.close();
  },
  /** A node that lets in the pages of the site, whose backend gives everybody Bob's token. */
  service: async ({ start, site }, use) => {
    await use(async (...flags) => {
      const node = await start('--allowed-origin', site.origin, ...flags);
      site.token = tokenOf(node.links.watch);
      return node;
    });
  },
});

const tokenOf = (link: string) => new URL(link).hash.replace('#token=', '');
const originOf = (link: string) => new URL(link).origin;

/** Alice with an app for Node.js that has the package installed. */
async function newApp(project: Project, node: Node) {
  const entry = pathToFileURL(join(project.package, 'dist/index.js')).href;
  const { TallylightClient } = (await import(entry)) as typeof import('../sdk/src/index.ts');
  const client = new TallylightClient({ url: originOf(node.links.studio), token: tokenOf(node.links.studio) });
  void client.connect();
  const room = client.join('demo', { role: 'streamer' });
  await room.ready;
  return { client, room };
}

/** A page that shows who is live, and what is said, follows an app. */
async function wantFollowing({ page, complaints }: TestPage, project: Project, node: Node): Promise<void> {
  const state = page.locator('#state');
  await expect(state).toHaveText('offline', { timeout: 20_000 });
  const { client, room } = await newApp(project, node);
  try {
    await expect(state).toHaveText('online');
    await room.start({ title: 'Ink' });
    await expect(state).toHaveText('live');
    await room.chat('Good morning!');
    await expect(page.locator('#chat li')).toHaveText(['Alice: Good morning!']);
    // Whoever comes now sees the same.
    await page.reload();
    await expect(state).toHaveText('live');
    await expect(page.locator('#chat li')).toHaveText(['Alice: Good morning!']);
    await room.end();
    await expect(state).toHaveText('online');
  } finally {
    client.close();
  }
  expect(complaints).toEqual([]);
}

test('the package has what belongs there, and nothing else', async ({ project }) => {
  const files = project.files();
  const others = files.filter((file) => !/^dist\/(rtc\/)?[a-z]+(\.d\.ts|\.js)$/.test(file));
  expect(others.sort()).toEqual(['LICENSE', 'README.md', 'dist/tallylight.min.js', 'package.json']);
  const modules = (end: string) => files.filter((file) => file.endsWith(end) && !file.includes('.min.')).map((file) => file.slice(0, -end.length)).sort();
  expect(modules('.d.ts'), 'each module has its types').toEqual(modules('.js'));
  const manifest = JSON.parse(await readFile(join(project.package, 'package.json'), 'utf8')) as Record<string, string | undefined>;
  expect(manifest['dependencies']).toBeUndefined();
  for (const file of [manifest['types'], manifest['unpkg'], manifest['jsdelivr']]) expect(files).toContain(file?.replace('./', ''));
  const readme = await readFile(join(project.package, 'README.md'), 'utf8');
  const links = [...readme.matchAll(/\]\(([^)]*)\)/g)].map(([, link]) => link);
  expect(links.length).toBeGreaterThan(0);
  expect(links.filter((link) => !link?.startsWith('https://')), 'links lead out of the package').toEqual([]);
});

test('a blank Vite project shows who is live', async ({ project, site, service, open }) => {
  test.slow(); // two compilers and a bundler
  const node = await service();
  await writeFile(join(project.folder, 'index.html'), sample('With Vite, or another bundler', 'html'));
  await writeFile(join(project.folder, 'main.ts'), fillIn(sample('With Vite, or another bundler', 'ts'), originOf(node.links.watch), 'demo'));
  await project.check('main.ts', 'bundler');
  await project.check('main.ts', 'nodenext');
  await project.build();
  site.folder = join(project.folder, 'dist');
  await wantFollowing(await open(site.origin), project, node);
});

test('the types are checked: a mistake is one', async ({ project }) => {
  test.slow();
  await writeFile(
    join(project.folder, 'wrong.ts'),
    `import { TallylightClient } from '@tallylight/client';
     const client = new TallylightClient({ url: 'https://live.example.org', token: 'token' });
     for await (const { data } of client.join('alice').each('chat')) data.text satisfies number;`,
  );
  await expect(project.check('wrong.ts', 'nodenext')).rejects.toThrow(/^wrong\.ts\(3,\d+\): error TS\d+: Type 'string' does not satisfy/m);
});

/** Puts the README's plain page, and the script that it wants, on the site. */
async function servePlainPage(project: Project, site: Site, node: Node): Promise<void> {
  site.folder = join(project.folder, 'plain');
  await mkdir(site.folder, { recursive: true });
  await copyFile(join(project.package, 'dist/tallylight.min.js'), join(site.folder, 'tallylight.min.js'));
  await writeFile(join(site.folder, 'index.html'), fillIn(sample('A plain page', 'html'), originOf(node.links.watch), 'demo'));
}

test('a plain page with one script shows who is live, and speaks', async ({ project, site, service, open }) => {
  const node = await service();
  await servePlainPage(project, site, node);
  expect(sample('A plain page', 'html').match(/<script src=/g)).toHaveLength(1);
  const bob = await open(site.origin);
  await expect(bob.page.locator('#connection')).toHaveText('connected', { timeout: 20_000 });
  await wantFollowing(bob, project, node);
  await bob.say('Hello from a page');
  await expect(bob.page.locator('#chat li').last()).toHaveText('Bob: Hello from a page');
});

for (const [worker, allowed] of [['blob:', true], ["'none'", false]] as const) {
  test(`under a content policy with worker-src ${worker} a page connects and beats`, async ({ project, site, service, open }) => {
    const node = await service('--heartbeat-interval', '1s');
    await servePlainPage(project, site, node);
    const to = originOf(node.links.watch);
    site.contentPolicy =
      `default-src 'none'; script-src 'self' 'unsafe-inline'; connect-src 'self' ${to} ${to.replace('http', 'ws')}; worker-src ${worker}`;
    const { page, complaints } = await open(site.origin);
    await expect(page.locator('#connection')).toHaveText('connected', { timeout: 20_000 });
    await page.evaluate("globalThis.beats = 0; client.on('beat', () => globalThis.beats++)");
    await expect.poll(() => page.evaluate('globalThis.beats'), { timeout: 20_000 }).toBeGreaterThanOrEqual(3);
    await expect(page.locator('#connection')).toHaveText('connected');
    expect(page.workers()).toHaveLength(allowed ? 1 : 0);
    // The browser says that it has blocked the worker, and that is all that is amiss.
    expect(complaints).toEqual(allowed ? [] : [expect.stringMatching(/blob:.*worker-src/)]);
  });
}
