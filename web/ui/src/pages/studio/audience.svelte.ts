import { Curve } from './curve.ts';

/** How often it is looked at first; a curve that has grown long is looked at less finely. */
const everyMs = 1_000;

/** How many watch, over time: since the page was opened, or since the broadcast began that is on air. */
export class Audience {
  times = $state.raw<number[]>([]);
  values = $state.raw<(number | null)[]>([]);
  most = $state(0);
  readonly #look: () => number | undefined;
  readonly #looking: ReturnType<typeof setInterval>;
  #curve = new Curve(everyMs);

  /** `look` says how many there are now; nothing, when that is not known. */
  constructor(look: () => number | undefined) {
    this.#look = look;
    this.#looking = setInterval(() => this.#take(), everyMs);
  }

  close(): void {
    clearInterval(this.#looking);
  }

  /** A broadcast begins, and its curve with it. */
  begin(): void {
    this.#curve = new Curve(everyMs);
    this.#take();
  }

  #take(): void {
    this.#curve.add(Date.now(), this.#look() ?? null);
    this.times = [...this.#curve.times];
    this.values = [...this.#curve.values];
    this.most = this.#curve.peak;
  }
}
