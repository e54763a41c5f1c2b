import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vite';

const at = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const { name, version, license } = JSON.parse(readFileSync(at('package.json'), 'utf8')) as Record<string, string>;

// What a page without a bundler loads: all of the package in one classic script. The modules are the compiler's work.
export default defineConfig({
  root: at('.'),
  build: {
    // The modules lie there already.
    emptyOutDir: false,
    target: 'es2022',
    lib: { entry: at('src/index.ts'), formats: ['iife'], name: 'Tallylight', fileName: () => 'tallylight.min.js' },
    rolldownOptions: { output: { postBanner: `/*! ${name} ${version} | ${license} */` } },
  },
});
