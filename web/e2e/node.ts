import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';

/** The links that a development node prints. */
export interface Links {
  studio: string;
  watch: string;
  admin: string;
  live: string;
}

/** A running node, the real program. */
export interface Node {
  pid: number;
  links: Links;
  /** What it wrote to its log so far. */
  log: () => string;
  /** Asks it to drain, as a rolling restart does. */
  drain: () => void;
  /** Ends it at once. */
  stop: () => Promise<void>;
  /** Ends it as a power cut would. */
  kill: () => void;
}

/** For a test with more clients than one address may have. */
export const unlimited = ['--max-connections-per-ip=0', '--max-handshakes-per-ip=0', '--max-handshakes=0', '--max-unauthenticated-per-ip=0'];

const startMs = 20_000;

/** Starts `tallylight serve --dev` on a free port, unless the flags name one, and waits for its links. */
export async function startNode(...flags: string[]): Promise<Node> {
  const binary = process.env['TALLYLIGHT_BINARY'] ?? 'tallylight';
  const child = spawn(binary, ['serve', '--dev', '--listen', '127.0.0.1:0', ...flags], { stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  child.stdout.on('data', (piece: Buffer) => (output += piece.toString()));
  child.stderr.on('data', (piece: Buffer) => (output += piece.toString()));
  const links = await waitForLinks(child, () => output);
  return { pid: child.pid!, links, log: () => output, drain: () => child.kill('SIGTERM'), stop: () => stop(child), kill: () => child.kill('SIGKILL') };
}

async function waitForLinks(child: ChildProcess, output: () => string): Promise<Links> {
  const giveUp = Date.now() + startMs;
  for (;;) {
    const links = parseLinks(output());
    if (links) return links;
    if (child.exitCode !== null || Date.now() > giveUp) {
      child.kill('SIGKILL');
      throw new Error(`the node did not come up:\n${output()}`);
    }
    await Promise.race([once(child.stdout!, 'data'), once(child, 'exit'), new Promise((done) => setTimeout(done, 500))]);
  }
}

function parseLinks(output: string): Links | undefined {
  const link = (name: keyof Links) => new RegExp(`^ *${name} +(http\\S+)$`, 'm').exec(output)?.[1];
  const [studio, watch, admin, live] = [link('studio'), link('watch'), link('admin'), link('live')];
  return studio && watch && admin && live ? { studio, watch, admin, live } : undefined;
}

/** Two signals: the second one ends it without the drain, which has tests of its own. */
async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, 'exit');
  child.kill('SIGTERM');
  const again = setInterval(() => child.kill('SIGTERM'), 100);
  await gone;
  clearInterval(again);
}
