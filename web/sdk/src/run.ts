import type { TallylightError } from './error.ts';
import type { WelcomeMessage } from './messages.ts';
import type { Timers } from './timers.ts';

/** What lives from `connect` to the end of the connection. */
export class Run {
  readonly timers: Timers;
  readonly connected: Promise<WelcomeMessage>;
  settle!: { resolve: (welcome: WelcomeMessage) => void; reject: (error: TallylightError) => void };
  readonly #unwatchPage: () => void;

  constructor(timers: Timers, unwatchPage: () => void) {
    this.timers = timers;
    this.#unwatchPage = unwatchPage;
    this.connected = new Promise((resolve, reject) => {
      this.settle = { resolve, reject };
    });
    // The same is told by `status`: nobody has to wait for the promise.
    this.connected.catch(() => undefined);
  }

  end(error: TallylightError): void {
    this.#unwatchPage();
    this.timers.close();
    this.settle.reject(error);
  }
}
