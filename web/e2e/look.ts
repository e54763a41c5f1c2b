import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from '@playwright/test';
import { violations } from './accessible.ts';
import type { TestPage } from './pages.ts';

const desk = { name: 'wide', width: 1280, height: 800 };
const phone = { name: 'phone', width: 360, height: 740 };

const everyLook = [desk, phone].flatMap((size) => (['dark', 'light'] as const).map((colorScheme) => ({ size, colorScheme })));
// Contrast goes by the scheme, and what is cut off or hidden by the size: these two have seen all of it.
const fewLooks = [
  { size: desk, colorScheme: 'light' },
  { size: phone, colorScheme: 'dark' },
] as const;

/**
 * Looks at a page as it is at a moment, by day and by night, at a desk and on a phone: nothing is wider than its window, and
 * axe finds nothing wrong. Leaves the page as it was. TALLYLIGHT_SHOTS names a folder for pictures of all of it.
 */
export async function look({ page }: TestPage, name: string): Promise<void> {
  const folder = process.env['TALLYLIGHT_SHOTS'];
  if (folder) mkdirSync(folder, { recursive: true });
  const before = page.viewportSize()!;
  for (const { size, colorScheme } of folder ? everyLook : fewLooks) {
    await page.setViewportSize(size);
    await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
    const what = `${name}-${size.name}-${colorScheme}`;
    if (folder) await page.screenshot({ path: join(folder, `${what}.png`), fullPage: true });
    const beyond = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    expect.soft(beyond, `${what} is as wide as its window`).toBeLessThanOrEqual(0);
    expect.soft(await violations(page), `${what} can be used by everybody`).toEqual([]);
  }
  await page.setViewportSize(before);
  await page.emulateMedia({ colorScheme: null, reducedMotion: null });
}
