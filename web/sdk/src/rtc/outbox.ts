import { Backoff } from '../backoff.ts';
import { TallylightError } from '../error.ts';
import type { SignalKind } from '../messages.ts';
import type { Room } from '../room.ts';

export interface OutboxOptions {
  room: Room;
  session: string;
  to: string;
  onRefused: (code: string) => void;
}

/** Codes after which the same signal may still arrive: the other side, or we ourselves, may be away for a moment. */
const passing = ['peer_gone', 'not_joined'];

/** What one side of a session says, in order, each until it has arrived or was refused for good. */
export class Outbox {
  /** Where the other side is. */
  to: string;

  readonly #options: OutboxOptions;
  readonly #waiting: { kind: SignalKind; data: unknown }[] = [];
  readonly #backoff = new Backoff({ baseMs: 200, capMs: 2_000 });
  #sending = false;
  #closed = false;
  #retry: ReturnType<typeof setTimeout> | undefined;

  constructor(options: OutboxOptions) {
    this.#options = options;
    this.to = options.to;
  }

  add(kind: SignalKind, data: unknown): void {
    if (this.#closed) return;
    this.#waiting.push({ kind, data });
    void this.#send();
  }

  /** Says nothing more, but for a `bye`, once: the service tells the other side if it does not arrive. */
  close({ bye }: { bye: boolean }): void {
    this.#closed = true;
    clearTimeout(this.#retry);
    this.#waiting.length = 0;
    if (bye) this.#options.room.signal(this.to, this.#options.session, 'bye').catch(() => undefined);
  }

  async #send(): Promise<void> {
    if (this.#sending) return;
    this.#sending = true;
    for (let next = this.#waiting[0]; next !== undefined; next = this.#waiting[0]) {
      const delay = await this.#deliver(next);
      if (this.#closed) return;
      if (delay === undefined) {
        this.#waiting.shift();
        continue;
      }
      this.#retry = setTimeout(() => {
        this.#sending = false;
        void this.#send();
      }, delay);
      return;
    }
    this.#sending = false;
  }

  /** Sends one signal, and returns after how many milliseconds it is to be sent again; nothing: it need not be. */
  async #deliver({ kind, data }: { kind: SignalKind; data: unknown }): Promise<number | undefined> {
    try {
      await this.#options.room.signal(this.to, this.#options.session, kind, data);
      this.#backoff.reset();
      return undefined;
    } catch (error) {
      const { code, temporary, retryAfterMs } = error as TallylightError;
      if (temporary || passing.includes(code)) return this.#backoff.next(retryAfterMs ?? 50);
      if (!this.#closed) this.#options.onRefused(code);
      return undefined;
    }
  }
}
