import { TallylightError } from '@tallylight/client';
import { Allowance, OwnReactions } from './reactions.ts';

/** Reactions of ourselves and of the others, for what shows them. */
export class Reacting {
  /** When we may react again, in Unix milliseconds of this machine. */
  coolUntil = $state(0);
  /** What the server had against the last one, other than that it was too fast. */
  problem = $state.raw<unknown>();
  readonly #send: (kind: string) => Promise<void>;
  readonly #own = new OwnReactions();
  readonly #allowance = new Allowance();
  readonly #shown = new Set<(counts: Record<string, number>) => void>();

  constructor(send: (kind: string) => Promise<void>) {
    this.#send = send;
  }

  /** Calls `show` with how many to show now, until the returned function is called. */
  onShow(show: (counts: Record<string, number>) => void): () => void {
    this.#shown.add(show);
    return () => this.#shown.delete(show);
  }

  /** Reacts, which shows at once. Too fast, it does nothing but say until when. */
  async react(kind: string): Promise<void> {
    const now = Date.now();
    if (now < this.coolUntil || !this.#allowance.take(now)) return;
    this.coolUntil = Math.max(this.coolUntil, this.#allowance.nextAt(now));
    this.problem = undefined;
    this.#own.add(kind);
    this.#show({ [kind]: 1 });
    try {
      await this.#send(kind);
    } catch (error) {
      this.#own.drop(kind);
      const limited = error instanceof TallylightError && error.code === 'rate_limited';
      if (limited) this.coolUntil = Date.now() + (error.retryAfterMs ?? 1_000);
      else this.problem = error;
    }
  }

  /** Takes what the room has counted, of which our own are shown already. */
  take(counts: Record<string, number>): void {
    this.#show(this.#own.without(counts));
  }

  #show(counts: Record<string, number>): void {
    for (const show of this.#shown) show(counts);
  }
}
