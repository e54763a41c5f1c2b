/** How many points a curve has at most: more than a screen can show, and few enough to draw at once. */
const most = 600;

/**
 * Values over time, in bounded memory: once it is full, every two neighbours become one and what follows is taken half as often. Of two
 * the higher value stays: a peak is what one looks for.
 */
export class Samples {
  readonly times: number[] = [];
  readonly curves: (number | null)[][];
  readonly #most: number;
  #everyMs: number;

  /** `everyMs` is how often a sample is taken at first, and `curves` how many values it has. */
  constructor(everyMs: number, curves: number, limit = most) {
    this.#everyMs = everyMs;
    this.#most = limit;
    this.curves = Array.from({ length: curves }, () => []);
  }

  /** Takes a sample, unless it is too early for one; returns whether it was taken. A value is null when it is not known. */
  add(time: number, values: (number | null)[]): boolean {
    const last = this.times.at(-1);
    // Timers are a little early at times.
    if (last !== undefined && time - last < this.#everyMs * 0.9) return false;
    this.times.push(time);
    this.curves.forEach((curve, i) => curve.push(values[i] ?? null));
    if (this.times.length > this.#most) this.#halve();
    return true;
  }

  #halve(): void {
    this.#everyMs *= 2;
    const pairs = Math.ceil(this.times.length / 2);
    for (let i = 0; i < pairs; i++) {
      this.times[i] = this.times[2 * i]!;
      for (const curve of this.curves) curve[i] = higher(curve[2 * i] ?? null, curve[2 * i + 1] ?? null);
    }
    this.times.length = pairs;
    for (const curve of this.curves) curve.length = pairs;
  }
}

function higher(a: number | null, b: number | null): number | null {
  if (a === null || b === null) return a ?? b;
  return Math.max(a, b);
}

/** The highest value of a curve. */
export function peakOf(curve: (number | null)[]): number {
  return curve.reduce<number>((peak, value) => Math.max(peak, value ?? 0), 0);
}
