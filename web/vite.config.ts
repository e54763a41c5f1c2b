import { fileURLToPath } from 'node:url';
import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig, type Plugin } from 'vite';

const at = (path: string) => fileURLToPath(new URL(path, import.meta.url));

/** The pages as the Go server routes them: `/watch/{room}` is watch.html, and so on. */
const routes: [RegExp, string][] = [
  [/^\/watch\/[^/]+$/, '/watch.html'],
  [/^\/studio\/[^/]+$/, '/studio.html'],
  [/^\/admin$/, '/admin.html'],
];

function pageRoutes(): Plugin {
  return {
    name: 'page-routes',
    configureServer(server) {
      server.middlewares.use((request, _response, next) => {
        const [path = '/'] = (request.url ?? '/').split('?');
        request.url = routes.find(([route]) => route.test(path))?.[1] ?? request.url;
        next();
      });
    },
  };
}

// TALLYLIGHT_NODE: the node that `npm run dev` talks to. TALLYLIGHT_DIST: another folder to build into, for comparing.
const node = process.env['TALLYLIGHT_NODE'] ?? 'http://127.0.0.1:8080';

export default defineConfig({
  root: at('ui'),
  plugins: [svelte({ configFile: at('svelte.config.js') }), pageRoutes()],
  resolve: { alias: { '@tallylight/client': at('sdk/src/index.ts') } },
  build: {
    outDir: process.env['TALLYLIGHT_DIST'] ?? at('dist'),
    emptyOutDir: true,
    // Everything is a file of its own: the content policy allows no inline scripts.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    // What the pages carry of others comes with their licences.
    license: { fileName: 'licenses.md' },
    rollupOptions: {
      input: ['index', 'watch', 'studio', 'admin'].map((page) => at(`ui/${page}.html`)),
    },
  },
  // The Host stays that of the page: a node compares it with the Origin of a socket.
  server: { proxy: { '/v1': { target: node, ws: true } } },
});
