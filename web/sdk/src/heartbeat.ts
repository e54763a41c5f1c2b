import { TallylightError } from './error.ts';
import type { Cancel, Timers } from './timers.ts';

/** A heartbeat that was answered. */
export interface Beat {
  /** From the request to its answer, in milliseconds. */
  rttMs: number;
  /** When the answer came, by this machine's clock. */
  at: number;
  /** The server's clock at about `at`. */
  serverNow: number;
  /** When the next regular beat is sent, by this machine's clock. */
  nextAt: number;
}

export interface HeartbeatOptions {
  intervalMs: number;
  timers: Timers;
  /** Sends a heartbeat and resolves with the server's `now`; rejects with `timeout` when no answer came. */
  send: () => Promise<number>;
  onBeat: (beat: Beat) => void;
  /** The connection is dead although the socket does not know it. Called at most once. */
  onDead: (reason: string) => void;
  random?: () => number;
  now?: () => number;
}

/** The server sends a heartbeat every 10 s to streamers: two may be late before the connection counts as dead. */
export const silenceLimitMs = 25_000;

/**
 * The heartbeat of one connection. It keeps proxies from closing the socket, tells the server that the application is
 * alive and not only its network stack, and notices a connection that died without a word.
 */
export class Heartbeat {
  readonly #options: Required<HeartbeatOptions>;
  #lastHeard: number;
  #nextAt = 0;
  #cancelNext: Cancel | undefined;
  #cancelSilence: Cancel | undefined;
  #stopped = false;

  constructor(options: HeartbeatOptions) {
    this.#options = { random: Math.random, now: Date.now, ...options };
    this.#lastHeard = this.#options.now();
    // At a random point, so that the beats of all who came at the same moment spread over the interval.
    this.#scheduleNext(options.intervalMs * this.#options.random());
  }

  /** When the next regular beat is sent. */
  get nextAt(): number {
    return this.#nextAt;
  }

  /** Beats now, besides the regular beats: after the network came back, say. */
  async beat(): Promise<void> {
    const { now, send, onBeat } = this.#options;
    const sentAt = now();
    try {
      const serverTime = await send();
      const at = now();
      const rttMs = at - sentAt;
      if (!this.#stopped) onBeat({ rttMs, at, serverNow: serverTime + rttMs / 2, nextAt: this.#nextAt });
    } catch (error) {
      if (error instanceof TallylightError && error.code === 'timeout') this.#dead('the heartbeat was not answered');
    }
  }

  /** Tells that something came from the server. */
  heard(): void {
    this.#lastHeard = this.#options.now();
  }

  /** Whether silence of the server counts as death: only streamers are promised something to hear. */
  watchSilence(on: boolean): void {
    if (on === (this.#cancelSilence !== undefined) || this.#stopped) return;
    if (on) {
      this.heard();
      this.#checkSilence();
      return;
    }
    this.#cancelSilence?.();
    this.#cancelSilence = undefined;
  }

  stop(): void {
    this.#stopped = true;
    this.#cancelNext?.();
    this.#cancelSilence?.();
  }

  #scheduleNext(ms: number): void {
    this.#nextAt = this.#options.now() + ms;
    this.#cancelNext = this.#options.timers.after(ms, () => {
      this.#scheduleNext(this.#options.intervalMs);
      void this.beat();
    });
  }

  /** One timer looks at the time of the last message: setting a new one for each message would cost more. */
  #checkSilence(): void {
    const left = this.#lastHeard + silenceLimitMs - this.#options.now();
    if (left <= 0) {
      this.#dead('nothing was heard from the server');
      return;
    }
    this.#cancelSilence = this.#options.timers.after(left, () => this.#checkSilence());
  }

  #dead(reason: string): void {
    if (this.#stopped) return;
    this.stop();
    this.#options.onDead(reason);
  }
}
