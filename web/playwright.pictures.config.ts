import { defineConfig } from '@playwright/test';
import base from './playwright.config.ts';

// The pictures in the README: "make pictures" takes them anew, which nobody needs to do whose pages look as they did.
export default defineConfig(base, { testDir: 'e2e/pictures', testIgnore: [] });
