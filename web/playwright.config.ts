import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { defineConfig } from '@playwright/test';
import { findChromium } from './e2e/chromium.ts';

export default defineConfig({
  testDir: 'e2e',
  // What takes minutes, and what takes pictures for the README, have configurations of their own.
  testIgnore: ['**/soak/**', '**/pictures/**'],
  // Nothing is left in the source tree.
  outputDir: process.env['TALLYLIGHT_E2E_OUT'] ?? join(tmpdir(), 'tallylight-e2e'),
  globalSetup: './e2e/build.ts',
  // Each test has a node and a browser of its own; two at a time would measure each other.
  workers: 1,
  timeout: 60_000,
  expect: { timeout: 5_000 },
  forbidOnly: true,
  reporter: 'list',
  use: {
    launchOptions: {
      executablePath: findChromium(),
      args: [
        '--no-sandbox',
        '--disable-gpu',
        '--disable-quic',
        '--no-first-run',
        '--disable-background-networking',
        '--disable-component-update',
        '--disable-sync',
      ],
    },
  },
});
