/** More cannot be told apart in a chart of this width. */
const most = 600;

/**
 * A curve over time that stays small however long it grows: when there are too many points, every two become one, the higher
 * of them, so that no peak is lost.
 */
export class Curve {
  /** Unix milliseconds, growing. */
  times: number[] = [];
  /** Null where nothing was known. */
  values: (number | null)[] = [];
  /** The highest value ever added. */
  peak = 0;
  readonly #most: number;
  #everyMs: number;

  constructor(everyMs: number, mostPoints = most) {
    this.#everyMs = everyMs;
    this.#most = mostPoints;
  }

  /** Adds what is so at a time. What follows the last point too soon is made one with it. */
  add(at: number, value: number | null): void {
    this.peak = Math.max(this.peak, value ?? 0);
    const last = this.times.length - 1;
    const lastAt = this.times[last];
    // A clock that is set back makes no loop in the curve.
    if (lastAt !== undefined && at - lastAt < this.#everyMs) {
      this.values[last] = higher(this.values[last] ?? null, value);
      return;
    }
    this.times.push(at);
    this.values.push(value);
    if (this.times.length > this.#most) this.#halve();
  }

  #halve(): void {
    const { values } = this;
    this.values = values.flatMap((value, i) => (i % 2 === 0 ? [higher(value, values[i + 1] ?? null)] : []));
    this.times = this.times.filter((_, i) => i % 2 === 0);
    this.#everyMs *= 2;
  }
}

function higher(a: number | null, b: number | null): number | null {
  if (a === null || b === null) return a ?? b;
  return Math.max(a, b);
}
