import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect, createServer, type AddressInfo } from 'node:net';

/** A redis-server of a test's own. */
export interface Redis {
  url: string;
  stop: () => Promise<void>;
}

const startMs = 10_000;

/** Starts an empty redis-server on a free port and waits until it listens. It ends with the test's process at the latest. */
export async function startRedis(): Promise<Redis> {
  const port = await freePort();
  const child = spawn('redis-server', ['--bind', '127.0.0.1', '--port', String(port), '--save', '', '--appendonly', 'no'], {
    stdio: 'ignore',
  });
  const kill = () => child.kill('SIGKILL');
  process.once('exit', kill);
  await Promise.race([untilListening(port), failed(child)]);
  return {
    url: `redis://127.0.0.1:${port}/0`,
    stop: async () => {
      process.off('exit', kill);
      const gone = once(child, 'exit');
      kill();
      await gone;
    },
  };
}

async function failed(child: ReturnType<typeof spawn>): Promise<never> {
  const [why] = (await Promise.race([once(child, 'error'), once(child, 'exit')])) as unknown[];
  throw new Error(`redis-server did not start: ${String(why)}`);
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

async function untilListening(port: number): Promise<void> {
  for (const giveUp = Date.now() + startMs; ; ) {
    const socket = connect(port, '127.0.0.1');
    const connected = await new Promise<boolean>((done) => {
      socket.once('connect', () => done(true));
      socket.once('error', () => done(false));
    });
    socket.destroy();
    if (connected) return;
    if (Date.now() > giveUp) throw new Error('redis-server does not listen');
    await new Promise((done) => setTimeout(done, 20));
  }
}
