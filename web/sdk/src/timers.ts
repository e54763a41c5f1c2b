/** Cancels a timer. Calling it late or twice does nothing. */
export type Cancel = () => void;

/** One-shot timers. */
export interface Timers {
  after(ms: number, fn: () => void): Cancel;
  /** Cancels what is waiting and frees what stands behind the timers. No `after` may follow. */
  close(): void;
}

/** The platform's own timers. A browser slows them down to one a minute in a page that is hidden for long. */
export class PlainTimers implements Timers {
  readonly #waiting = new Set<ReturnType<typeof setTimeout>>();

  after(ms: number, fn: () => void): Cancel {
    const timer = setTimeout(() => {
      this.#waiting.delete(timer);
      fn();
    }, ms);
    this.#waiting.add(timer);
    return () => {
      clearTimeout(timer);
      this.#waiting.delete(timer);
    };
  }

  close(): void {
    this.#waiting.forEach((timer) => clearTimeout(timer));
    this.#waiting.clear();
  }
}

const workerSource = `
const timers = new Map();
onmessage = ({ data: { id, ms } }) => {
  if (ms === undefined) {
    clearTimeout(timers.get(id));
    timers.delete(id);
    return;
  }
  timers.set(id, setTimeout(() => { timers.delete(id); postMessage(id); }, ms));
};`;

interface Waiting {
  fn: () => void;
  due: number;
}

/**
 * Timers that run in a Web Worker, which browsers do not slow down: a heartbeat of 50 s that becomes one of 60 s
 * races the idle timeout of the proxies on the way.
 */
export class WorkerTimers implements Timers {
  readonly #worker: Worker;
  readonly #waiting = new Map<number, Waiting>();
  #lastId = 0;
  /** Takes over when the worker could not start: a content policy that forbids it is told only by an event. */
  #fallback: Timers | undefined;

  constructor() {
    const url = URL.createObjectURL(new Blob([workerSource], { type: 'text/javascript' }));
    this.#worker = new Worker(url);
    URL.revokeObjectURL(url);
    this.#worker.onmessage = ({ data }: MessageEvent<number>) => this.#fire(data);
    this.#worker.onerror = () => this.#fallBack();
  }

  after(ms: number, fn: () => void): Cancel {
    if (this.#fallback) return this.#fallback.after(ms, fn);
    const id = ++this.#lastId;
    this.#waiting.set(id, { fn, due: Date.now() + ms });
    this.#worker.postMessage({ id, ms });
    return () => {
      if (this.#waiting.delete(id)) this.#worker.postMessage({ id });
    };
  }

  close(): void {
    this.#waiting.clear();
    this.#worker.terminate();
    this.#fallback?.close();
  }

  #fire(id: number): void {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    waiting?.fn();
  }

  #fallBack(): void {
    this.#fallback ??= new PlainTimers();
    for (const [id, { due }] of this.#waiting) {
      this.#fallback.after(Math.max(0, due - Date.now()), () => this.#fire(id));
    }
  }
}

/** Worker timers where there are workers (and the page's policy allows one), else the platform's own. */
export function newTimers(): Timers {
  if (typeof Worker === 'undefined' || typeof Blob === 'undefined' || typeof document === 'undefined') {
    return new PlainTimers();
  }
  try {
    return new WorkerTimers();
  } catch {
    return new PlainTimers();
  }
}
