import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { extname, join, normalize, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const web = fileURLToPath(new URL('..', import.meta.url));
const sdk = join(web, 'sdk');

/** The environment without what an npm that started us has put there: it would speak to the npm that we start. */
const environment = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^npm_/i.test(name)));

/** Runs a command and fails with what it said. */
async function run(folder: string, command: string, ...args: string[]): Promise<string> {
  try {
    return (await promisify(execFile)(command, args, { cwd: folder, env: environment })).stdout;
  } catch (error) {
    const { stdout, stderr } = error as { stdout: string; stderr: string };
    throw new Error(`${command} ${args.join(' ')}\n${stdout}${stderr}`, { cause: error });
  }
}

/** A folder of a user of the package, who has it from a registry and knows nothing of this repository. */
export class Project {
  readonly folder = mkdtempSync(join(tmpdir(), 'tallylight-project-'));

  /** Where what is installed lies. */
  get package(): string {
    return join(this.folder, 'node_modules/@tallylight/client');
  }

  /** Packs the package, and installs it as a registry would give it. Nothing is fetched: it depends on nothing. */
  async install(): Promise<void> {
    await run(sdk, 'npm', 'pack', '--pack-destination', this.folder);
    const packed = readdirSync(this.folder).filter((name) => name.endsWith('.tgz'));
    await writeFile(join(this.folder, 'package.json'), '{ "private": true, "type": "module" }');
    await run(this.folder, 'npm', 'install', '--offline', '--no-audit', '--no-fund', ...packed.map((name) => `./${name}`));
  }

  /** The files of the installed package. */
  files(): string[] {
    const entries = readdirSync(this.package, { recursive: true, withFileTypes: true });
    return entries.filter((entry) => entry.isFile()).map(({ parentPath, name }) => relative(this.package, join(parentPath, name)));
  }

  /** Has the compiler look at a file, as strictly as it can. */
  async check(file: string, moduleResolution: 'bundler' | 'nodenext'): Promise<void> {
    const module = moduleResolution === 'bundler' ? 'esnext' : 'nodenext';
    const how = ['--pretty', 'false', '--strict', '--exactOptionalPropertyTypes', '--skipLibCheck', 'false', '--noEmit', '--target', 'es2022'];
    await this.#tool('typescript/bin/tsc', ...how, '--module', module, '--moduleResolution', moduleResolution, file);
  }

  /** Builds index.html and what it loads into `dist`, without any configuration. */
  async build(): Promise<void> {
    await this.#tool('vite/bin/vite.js', 'build');
  }

  async #tool(script: string, ...args: string[]): Promise<void> {
    await run(this.folder, process.execPath, join(web, 'node_modules', script), ...args);
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

const readme = readFileSync(join(sdk, 'README.md'), 'utf8');

/** The first block of code of a language in a section of the README: what people copy is what is tested. */
export function sample(section: string, language: string): string {
  const text = readme.split(`\n## ${section}\n`)[1]?.split('\n## ')[0] ?? '';
  const code = new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\``, 'm').exec(text)?.[1];
  if (code === undefined) throw new Error(`the README has no ${language} in "${section}"`);
  return code;
}

/** The sample with our service and our room in it: what somebody who copies it has to change. */
export function fillIn(code: string, service: string, room: string): string {
  for (const blank of ["'https://live.example.org'", "join('alice')"]) {
    if (!code.includes(blank)) throw new Error(`the sample has no ${blank}`);
  }
  return code.replace('https://live.example.org', service).replace("join('alice')", `join('${room}')`);
}

const types: Record<string, string> = { '.html': 'text/html', '.js': 'text/javascript', '.css': 'text/css' };

/** A web server of somebody's own, whose backend hands out tokens. */
export class Site {
  /** What is served. */
  folder = '';
  /** What `/my-backend/token` answers. */
  token = '';
  contentPolicy = '';
  readonly #server = createServer((request, response) => {
    if (this.contentPolicy) response.setHeader('content-security-policy', this.contentPolicy);
    const { pathname } = new URL(request.url ?? '/', 'http://site');
    if (pathname === '/my-backend/token') response.end(this.token);
    else if (pathname === '/favicon.ico') response.writeHead(204).end();
    else void this.#serve(pathname === '/' ? '/index.html' : pathname, response);
  });

  async #serve(path: string, response: ServerResponse): Promise<void> {
    try {
      const content = await readFile(join(this.folder, normalize(path)));
      response.writeHead(200, { 'content-type': types[extname(path)] ?? 'application/octet-stream' }).end(content);
    } catch {
      response.writeHead(404).end();
    }
  }

  async listen(): Promise<void> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
  }

  get origin(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }
}
