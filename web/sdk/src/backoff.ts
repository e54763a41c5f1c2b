export interface BackoffOptions {
  /** The upper bound of the first delay. */
  baseMs?: number;
  /** No delay is longer than this. */
  capMs?: number;
  /** A connection that lived this long makes the next delay short again. */
  stableMs?: number;
  random?: () => number;
}

/**
 * Full-jitter exponential backoff: the n-th delay is a random point between 0 and min(cap, base × 2ⁿ). All of the
 * range is random, so that those who lost a node together do not come back together.
 */
export class Backoff {
  readonly #baseMs: number;
  readonly #capMs: number;
  readonly #random: () => number;
  readonly stableMs: number;
  #attempts = 0;

  constructor(options: BackoffOptions = {}) {
    this.#baseMs = options.baseMs ?? 500;
    this.#capMs = options.capMs ?? 30_000;
    this.stableMs = options.stableMs ?? 10_000;
    this.#random = options.random ?? Math.random;
  }

  /** How many delays were taken since the last reset. */
  get attempts(): number {
    return this.#attempts;
  }

  /**
   * The next delay in milliseconds, never less than `atLeastMs` (a server's Retry-After, say). `capMs` bounds this one
   * further, for who is in a hurry.
   */
  next(atLeastMs = 0, capMs = this.#capMs): number {
    // 2³⁰ × base is far above any cap; beyond it the power would only lose precision.
    const bound = Math.min(this.#capMs, capMs, this.#baseMs * 2 ** Math.min(this.#attempts, 30));
    this.#attempts++;
    return atLeastMs + Math.floor(this.#random() * bound);
  }

  /** A delay for who did not fail, but has to try again: at most a fifth of the first one. */
  short(): number {
    return Math.floor((this.#random() * this.#baseMs) / 5);
  }

  reset(): void {
    this.#attempts = 0;
  }
}
