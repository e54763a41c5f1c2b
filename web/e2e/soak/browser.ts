import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findChromium } from '../chromium.ts';

/** A tab of a browser that nobody holds awake. */
export interface Tab {
  /** The value of an expression in the page, or of its promise. */
  evaluate: <T>(expression: string) => Promise<T>;
  /** Puts it before the others, which are hidden then. */
  bringToFront: () => Promise<void>;
}

export interface Browser {
  open: (link: string) => Promise<Tab>;
  close: () => Promise<void>;
}

type Answer = { id?: number; result?: Record<string, unknown>; error?: { message: string } };

const startMs = 20_000;

/**
 * Starts Chromium as a person does. Playwright's never hides a page and never slows one down: it is started so, and tells each
 * page that it has the focus. This one is spoken to by the DevTools protocol alone.
 */
export async function startBrowser(): Promise<Browser> {
  const folder = await mkdtemp(join(tmpdir(), 'tallylight-browser-'));
  const child = spawn(
    findChromium(),
    ['--headless=new', '--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-sync', '--disable-component-update', '--disable-background-networking', '--remote-debugging-port=0', `--user-data-dir=${folder}`, 'about:blank'],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  );
  const kill = () => child.kill('SIGKILL');
  process.once('exit', kill);
  const protocol = await connect(await address(child.stderr));
  return {
    open: async (link) => {
      const { targetId } = await protocol.call<{ targetId: string }>('Target.createTarget', { url: link });
      const { sessionId } = await protocol.call<{ sessionId: string }>('Target.attachToTarget', { targetId, flatten: true });
      const evaluate = async <T>(expression: string) => {
        const { result, exceptionDetails } = await protocol.call<{ result: { value: T }; exceptionDetails?: { text: string } }>(
          'Runtime.evaluate',
          { expression, awaitPromise: true, returnByValue: true },
          sessionId,
        );
        if (exceptionDetails) throw new Error(`${expression}: ${exceptionDetails.text}`);
        return result.value;
      };
      // Between two pages there is nothing to evaluate in.
      const loaded = `location.href.startsWith(${JSON.stringify(link.split('#')[0])}) && document.readyState === 'complete'`;
      for (const giveUp = Date.now() + startMs; !(await evaluate<boolean>(loaded).catch(() => false)); ) {
        if (Date.now() > giveUp) throw new Error(`${link} was not loaded`);
        await new Promise((again) => setTimeout(again, 100));
      }
      return { evaluate, bringToFront: async () => void (await protocol.call('Target.activateTarget', { targetId })) };
    },
    close: async () => {
      process.off('exit', kill);
      protocol.close();
      const gone = once(child, 'exit');
      kill();
      await gone;
      await rm(folder, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

/** Where the browser listens, by its own word. */
async function address(output: NodeJS.ReadableStream): Promise<string> {
  let said = '';
  const giveUp = AbortSignal.timeout(startMs);
  for (;;) {
    const found = /DevTools listening on (ws:\S+)/.exec(said)?.[1];
    if (found) {
      output.resume();
      return found;
    }
    const [piece] = (await once(output, 'data', { signal: giveUp })) as [Buffer];
    said += piece.toString();
  }
}

async function connect(url: string) {
  const socket = new WebSocket(url);
  const waiting = new Map<number, (answer: Answer) => void>();
  let lastId = 0;
  socket.onmessage = ({ data }) => {
    const answer = JSON.parse(String(data)) as Answer;
    if (answer.id !== undefined) waiting.get(answer.id)?.(answer);
  };
  await new Promise((resolve, reject) => {
    socket.onopen = resolve;
    socket.onerror = reject;
  });
  return {
    call: async <T>(method: string, params: object = {}, sessionId?: string): Promise<T> => {
      const id = ++lastId;
      const answer = await new Promise<Answer>((resolve) => {
        waiting.set(id, resolve);
        socket.send(JSON.stringify({ id, method, params, ...(sessionId !== undefined && { sessionId }) }));
      });
      waiting.delete(id);
      if (answer.error) throw new Error(`${method}: ${answer.error.message}`);
      return answer.result as T;
    },
    close: () => socket.close(),
  };
}
