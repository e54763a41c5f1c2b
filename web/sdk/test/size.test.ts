import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { build, type Rolldown } from 'vite';

const source = fileURLToPath(new URL('../src/index.ts', import.meta.url));

/** What a page's bundle gets from us, if this is all that it does with the package. */
async function bundle(page: string): Promise<string> {
  const built = (await build({
    configFile: false,
    logLevel: 'error',
    plugins: [
      {
        name: 'page',
        resolveId: (id) => (id === 'page' ? id : id === '@tallylight/client' ? source : undefined),
        load: (id) => (id === 'page' ? page : undefined),
      },
    ],
    build: { write: false, target: 'es2022', modulePreload: false, rolldownOptions: { input: 'page' } },
  })) as Rolldown.RolldownOutput;
  return built.output.map((file) => (file.type === 'chunk' ? file.code : '')).join('');
}

test('a page that does not watch the stream itself loads less than 12 KiB, and no WebRTC', async () => {
  const code = await bundle(`
    import { TallylightClient } from '@tallylight/client';
    const client = new TallylightClient({ url: location.origin, token: 'token' });
    client.join('alice').on('state', console.log);
    void client.connect();`);
  const zipped = gzipSync(code, { level: 9 }).length;
  console.log(`the client alone: ${code.length} bytes minified, ${zipped} bytes with gzip`);
  expect(code).toContain('tallylight.v1');
  expect(code).not.toContain('RTCPeerConnection');
  expect(zipped).toBeLessThan(12 * 1024);
}, 60_000);

test('who imports only a type, or a name that they do not use, loads nothing', async () => {
  const code = await bundle(`
    import { TallylightClient, Broadcaster, Watcher, closeRules } from '@tallylight/client';
    console.log('hello');`);
  expect(code.trim()).toMatch(/^console\.log\(.hello.\);?$/);
}, 60_000);

test('who watches gets what it takes', async () => {
  const code = await bundle(`
    import { TallylightClient, Watcher } from '@tallylight/client';
    const client = new TallylightClient({ url: location.origin, token: 'token' });
    new Watcher(client.join('alice'));`);
  expect(code).toContain('RTCPeerConnection');
}, 60_000);
