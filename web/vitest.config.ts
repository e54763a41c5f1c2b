import { fileURLToPath } from 'node:url';
import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vitest/config';

const at = (path: string) => fileURLToPath(new URL(path, import.meta.url));

export default defineConfig({
  // For the runes of modules.
  plugins: [svelte({ configFile: at('svelte.config.js') })],
  resolve: { alias: { '@tallylight/client': at('sdk/src/index.ts') } },
  test: {
    include: ['sdk/test/**/*.test.ts', 'ui/test/**/*.test.ts'],
  },
});
