import { Reader, type EachOptions } from './reader.ts';

/** Ends a subscription. Calling it twice does nothing. */
export type Unsubscribe = () => void;

/**
 * A small typed event emitter. Listeners are called in the order in which they were added, at once and on the
 * caller's stack; one that throws does not keep the others from hearing.
 */
export class Emitter<Events extends object> {
  readonly #listeners = new Map<keyof Events, Set<(event: never) => void>>();
  readonly #readers = new Set<{ end: () => void }>();
  #over = false;

  /** Calls `listener` for every later event of this name, until the returned function is called. */
  on<Name extends keyof Events>(name: Name, listener: (event: Events[Name]) => void): Unsubscribe {
    const set = this.#listeners.get(name) ?? new Set();
    this.#listeners.set(name, set);
    set.add(listener);
    return () => set.delete(listener);
  }

  /**
   * The later events of this name for a loop: `for await (const { data } of room.each('chat')) ...`. It listens from this
   * call on, not from the first turn of the loop, and goes on through reconnects. Each call has a loop of its own, and each
   * loop gets every event in order.
   *
   * What comes while the loop is busy waits for it. If it falls behind by more than `limit` events (1,000), it reads those
   * and then throws a `TallylightError` with the code `too_slow`: nothing is ever left out silently.
   *
   * The loop ends by `break` or `signal`, and by itself, after the last event, where no more can come: when the room is left
   * or refused, when the client has stopped (its status is `stopped`; after another `connect` call this anew), when a
   * `Broadcaster` or `Watcher` is closed.
   */
  each<Name extends keyof Events>(name: Name, options: EachOptions = {}): AsyncIterableIterator<Events[Name]> {
    const { signal } = options;
    const abort = () => void reader.return();
    const reader = new Reader<Events[Name]>(options, () => {
      unsubscribe();
      this.#readers.delete(reader);
      signal?.removeEventListener('abort', abort);
    });
    const unsubscribe = this.on(name, (event) => reader.push(event));
    this.#readers.add(reader);
    if (signal?.aborted) abort();
    else if (this.#over) reader.end();
    else signal?.addEventListener('abort', abort);
    return reader;
  }

  /** Ends the loops of `each`, and with `forGood` every later one at once; listeners stay. */
  protected endLoops({ forGood = false } = {}): void {
    this.#over ||= forGood;
    this.#readers.forEach((reader) => reader.end());
  }

  protected emit<Name extends keyof Events>(name: Name, event: Events[Name]): void {
    for (const listener of [...(this.#listeners.get(name) ?? [])]) {
      try {
        (listener as (event: Events[Name]) => void)(event);
      } catch (error) {
        // The application's mistake must be seen, but may not stop the connection in the middle of a frame.
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }
}
