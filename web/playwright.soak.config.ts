import { defineConfig } from '@playwright/test';
import usual from './playwright.config.ts';

/** What takes minutes by itself, and is run by "make soak" alone. */
export default defineConfig({ ...usual, testDir: 'e2e/soak', testIgnore: [] });
