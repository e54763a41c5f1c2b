import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';

const names = ['chromium', 'chromium-browser', 'google-chrome'];
const apps = ['Chromium.app/Contents/MacOS/Chromium', 'Google Chrome.app/Contents/MacOS/Google Chrome'];

/** The browser of the system: $CHROMIUM, or the first one found. None is ever downloaded. */
export function findChromium(): string {
  const folders = (process.env['PATH'] ?? '').split(delimiter);
  const candidates = [
    process.env['CHROMIUM'] ?? '',
    ...names.flatMap((name) => folders.map((folder) => join(folder, name))),
    ...apps.map((app) => join('/Applications', app)),
  ];
  const found = candidates.find((path) => path !== '' && existsSync(path));
  if (!found) throw new Error('no Chromium was found: install it, or name it in $CHROMIUM');
  return found;
}

/** How a browser is started whose cameras and microphones are made up, and whose peers are on one machine. */
export function withCameras(count: number) {
  return {
    executablePath: findChromium(),
    args: [
      '--no-sandbox',
      '--disable-gpu',
      `--use-fake-device-for-media-stream=device-count=${count}`,
      '--use-fake-ui-for-media-stream',
      '--allow-loopback-in-peer-connection',
      '--disable-features=WebRtcHideLocalIpsWithMdns',
    ],
  };
}
