import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePort, untilListening } from './ports.ts';

/** A balancer in front of a node, the real one. */
export interface Proxy {
  /** The same link, by way of it. */
  through: (link: string) => string;
  close: () => Promise<void>;
}

/** Starts nginx before a node. It sends the node a `Host` of its own, as balancers do. */
export async function newProxy(to: string, host: string): Promise<Proxy> {
  const first = new URL(to);
  return start([first], (port) => `events {}
http {
  access_log off;
  server {
    listen 127.0.0.1:${port};
    location / {
      proxy_pass http://${first.host};
      proxy_http_version 1.1;
      proxy_set_header Host ${host};
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection $http_connection;
    }
  }
}`);
}

/** Starts nginx before several nodes, as deploy/nginx.conf does: whoever is gone is not asked. */
export async function newBalancer(...to: string[]): Promise<Proxy> {
  const shipped = await readFile(fileURLToPath(new URL('../../deploy/nginx.conf', import.meta.url)), 'utf8');
  const nodes = to.map((link) => new URL(link));
  const servers = nodes.map(({ host }) => `server ${host} max_fails=0;`).join(' ');
  return start(nodes, (port) =>
    shipped
      .replace(/(\s*server node-\d+:8080 max_fails=0;)+/, ` ${servers}`)
      .replace('listen 80;', `listen 127.0.0.1:${port};`)
      .replace(/worker_(processes|connections|rlimit_nofile) .*;/g, '')
      .replace(/^error_log .*;$/m, '')
      .replace('http {', 'http { access_log off;'),
  );
}

async function start(nodes: URL[], configure: (port: number) => string): Promise<Proxy> {
  const port = await freePort();
  const folder = await mkdtemp(join(tmpdir(), 'tallylight-nginx-'));
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((kind) => `${kind}_temp_path ${folder}/${kind};`).join(' ');
  const config = configure(port).replace('http {', `http { ${temporary}`);
  await writeFile(join(folder, 'nginx.conf'), `daemon off; pid ${folder}/pid; error_log ${folder}/error.log;\n${config}`);
  const child = spawn(process.env['NGINX'] ?? 'nginx', ['-c', join(folder, 'nginx.conf'), '-p', folder, '-e', join(folder, 'error.log')], {
    stdio: 'inherit',
    env: { ...process.env, PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/usr/local/sbin` },
  });
  await untilListening('nginx', port);
  return {
    through: (link) => nodes.reduce((led, { host }) => led.replace(host, `127.0.0.1:${port}`), link),
    close: async () => {
      if (child.exitCode === null) {
        const gone = once(child, 'exit');
        child.kill('SIGTERM');
        await gone;
      }
      await rm(folder, { recursive: true });
    },
  };
}
