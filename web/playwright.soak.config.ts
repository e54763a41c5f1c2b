import { defineConfig } from '@playwright/test';
import base from './playwright.config.ts';

// What takes minutes: "make soak" runs it, "make test" does not.
export default defineConfig(base, { testDir: 'e2e/soak', testIgnore: [] });
