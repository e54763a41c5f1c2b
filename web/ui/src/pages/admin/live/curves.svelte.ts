import { Samples } from './samples.ts';

/** How often a curve gets another point. */
const everyMs = 2_000;

/** Values over time as state that a chart can show, from now on until `close`. */
export class Curves {
  times = $state.raw<number[]>([]);
  curves = $state.raw<(number | null)[][]>([]);

  readonly #samples: Samples;
  readonly #timer: ReturnType<typeof setInterval>;
  readonly #look: () => (number | null)[] | undefined;

  /** `look` returns the values of now, null for what is not known; undefined for all of them if there is nothing to show yet. */
  constructor(curves: number, look: () => (number | null)[] | undefined) {
    this.#samples = new Samples(everyMs, curves);
    this.#look = look;
    // The first point is not to be waited for, but what it is about may take a moment to be there.
    this.#timer = setInterval(() => this.#take(), everyMs / 4);
  }

  /** Puts what was before in front. */
  begin(times: number[], curves: (number | null)[][]): void {
    times.forEach((time, i) => this.#samples.add(time, curves.map((curve) => curve[i] ?? null)));
    this.#show();
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #take(): void {
    const values = this.#look();
    if (values && this.#samples.add(Date.now(), values)) this.#show();
  }

  #show(): void {
    this.times = [...this.#samples.times];
    this.curves = this.#samples.curves.map((curve) => [...curve]);
  }
}
