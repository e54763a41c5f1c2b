/** Where no frame is drawn, as in a hidden tab, what waits for one is done after this long. */
const hiddenMs = 250;

/** Does something once for all that asked for it since the last time: with the next frame that is drawn. */
export class Batch {
  readonly #run: () => void;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #frame: number | undefined;

  constructor(run: () => void) {
    this.#run = run;
  }

  request(): void {
    if (this.#timer !== undefined) return;
    const run = () => this.flush();
    this.#timer = setTimeout(run, hiddenMs);
    this.#frame = globalThis.requestAnimationFrame?.(run);
  }

  /** Does it now, and not again until somebody asks. */
  flush(): void {
    this.cancel();
    this.#run();
  }

  cancel(): void {
    clearTimeout(this.#timer);
    if (this.#frame !== undefined) cancelAnimationFrame(this.#frame);
    this.#timer = undefined;
    this.#frame = undefined;
  }
}
