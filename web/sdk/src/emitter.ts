/** Ends a subscription. Calling it twice does nothing. */
export type Unsubscribe = () => void;

/**
 * A small typed event emitter. Listeners are called in the order in which they were added, at once and on the
 * caller's stack; one that throws does not keep the others from hearing.
 */
export class Emitter<Events extends object> {
  readonly #listeners = new Map<keyof Events, Set<(event: never) => void>>();

  /** Calls `listener` for every later event of this name, until the returned function is called. */
  on<Name extends keyof Events>(name: Name, listener: (event: Events[Name]) => void): Unsubscribe {
    const set = this.#listeners.get(name) ?? new Set();
    this.#listeners.set(name, set);
    set.add(listener);
    return () => set.delete(listener);
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
