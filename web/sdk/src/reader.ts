import { TallylightError } from './error.ts';

export interface EachOptions {
  /** Ends the loop when it is aborted, as `break` does: what is waiting is not read any more. */
  signal?: AbortSignal;
  /** How many events may wait to be read. One more ends the loop with an error, once those before it were read. */
  limit?: number;
}

/** Far more than a room says while a page draws a frame; at 1 KiB each it is 1 MiB that a stuck reader can hold. */
const defaultLimit = 1_000;

/** What is emitted on its way to one `for await`. What comes while its reader is busy waits, up to a limit. */
export class Reader<T> implements AsyncIterableIterator<T> {
  readonly #limit: number;
  readonly #onEnd: () => void;
  readonly #waiting: T[] = [];
  /** Who asked and has nothing yet: more than one only where `next` is called by hand. Empty while something waits. */
  readonly #askers: ((result: IteratorResult<T, undefined>) => void)[] = [];
  #ended = false;
  #error: TallylightError | undefined;

  /** `onEnd` is called once, however it ends, and nothing is taken any more then. */
  constructor({ limit = defaultLimit }: EachOptions, onEnd: () => void) {
    this.#limit = limit;
    this.#onEnd = onEnd;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<T, undefined>> {
    if (this.#waiting.length > 0) return Promise.resolve({ done: false, value: this.#waiting.shift() as T });
    if (this.#error) {
      const error = this.#error;
      this.#error = undefined;
      return Promise.reject(error);
    }
    if (this.#ended) return Promise.resolve({ done: true, value: undefined });
    return new Promise((resolve) => this.#askers.push(resolve));
  }

  /** The reader has enough: `break` and an exception inside of the loop call this. */
  return(): Promise<IteratorResult<T, undefined>> {
    this.#waiting.length = 0;
    this.#error = undefined;
    this.end();
    return Promise.resolve({ done: true, value: undefined });
  }

  push(value: T): void {
    if (this.#ended) return;
    const asker = this.#askers.shift();
    if (asker) asker({ done: false, value });
    else if (this.#waiting.length < this.#limit) this.#waiting.push(value);
    else {
      // Said after what is waiting: up to there the reader has missed nothing.
      this.#error = new TallylightError('too_slow', `${this.#limit} events were waiting to be read, and one more came`);
      this.end();
    }
  }

  /** Nothing comes any more; what is waiting can still be read. */
  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#onEnd();
    for (const answer of this.#askers.splice(0)) answer({ done: true, value: undefined });
  }
}
