import { expect, test } from './fixtures.ts';
import { findChromium } from './chromium.ts';
import { createServer } from 'vite';

test.use({
  launchOptions: {
    executablePath: findChromium(),
    args: ['--no-sandbox', '--disable-gpu', '--allow-loopback-in-peer-connection', '--disable-features=WebRtcHideLocalIpsWithMdns'],
  },
});

/** Two peers in one page, who offer at the same time, again and again, over signalling that takes its time. */
test('offers that cross are no harm: both sides have what the other sends', async ({ page }, info) => {
  const vite = await createServer({
    configFile: false,
    root: new URL('../sdk', import.meta.url).pathname,
    cacheDir: info.outputPath('vite'), // nothing is left in the source tree
    server: { port: 0 },
    logLevel: 'silent',
  });
  await vite.listen();
  try {
    await page.goto(`${vite.resolvedUrls!.local[0]}src/index.ts`);
    const outcome = await page.evaluate(async () => {
      const { Peer } = (await import('/src/rtc/peer.ts' as string)) as typeof import('../sdk/src/rtc/peer.ts');
      const wait = (ms: number) => new Promise((done) => setTimeout(done, ms));
      const canvas = document.createElement('canvas');
      canvas.getContext('2d');
      for (let round = 0; round < 20; round++) {
        const peers: InstanceType<typeof Peer>[] = [];
        const heard = [0, 0];
        for (const side of [0, 1]) {
          const room = {
            signal: async (_to: string, _session: string, kind: 'offer', data: unknown) => {
              await wait(Math.random() * 10);
              peers[1 - side]!.hear(kind, JSON.parse(JSON.stringify(data)));
            },
          };
          peers.push(new Peer({ room: room as never, session: 's', to: 'x', polite: side === 0, configuration: {}, onRefused: () => {}, onState: () => {} }));
          peers[side]!.connection.ontrack = () => heard[side]!++;
        }
        // Both begin at once, and once more when they are connected.
        for (const tracks of [1, 2]) {
          for (const peer of peers) peer.connection.addTrack(canvas.captureStream(10).getTracks()[0]!);
          for (const until = Date.now() + 10_000; ; await wait(5)) {
            if (peers.every((peer) => peer.connected && peer.connection.signalingState === 'stable') && heard.every((n) => n === tracks)) break;
            if (Date.now() > until) return `round ${round}: ${JSON.stringify({ heard, states: peers.map(({ connection }) => [connection.connectionState, connection.signalingState]) })}`;
          }
        }
        peers.forEach((peer) => peer.close({ bye: false }));
      }
      return 'all is well';
    });
    expect(outcome).toBe('all is well');
  } finally {
    await vite.close();
  }
});
