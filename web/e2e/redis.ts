import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { freePort, untilListening } from './ports.ts';

/** A redis-server of a test's own. */
export interface Redis {
  url: string;
  stop: () => Promise<void>;
}

/** Starts an empty redis-server on a free port and waits until it listens. It ends with the test's process at the latest. */
export async function startRedis(): Promise<Redis> {
  const port = await freePort();
  const child = spawn('redis-server', ['--bind', '127.0.0.1', '--port', String(port), '--save', '', '--appendonly', 'no'], {
    stdio: 'ignore',
  });
  const kill = () => child.kill('SIGKILL');
  process.once('exit', kill);
  await Promise.race([untilListening('redis-server', port), failed(child)]);
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
