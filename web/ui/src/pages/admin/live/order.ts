import type { LiveRow } from '../../../api/request.ts';
import type { LiveRows } from '../../../directory/rows.ts';
import { comparing, matching, type Filter, type Sort } from './sort.ts';

/** Rows that change places more often than this nobody can read. */
export const settleMs = 2_000;

/** Few newcomers are put where they belong one by one; with more of them everything is sorted. */
const fewNewcomers = 50;

/**
 * Which rows are shown, and in what order. Who comes and goes is seen at once, but the order follows the values only every
 * two seconds; and while it is held, because somebody points at a row, none moves: who comes is put at the end, and who goes
 * stays where they were.
 */
export class Order {
  /** From top to bottom, as they were when they were put there: the values of now are in the `LiveRows`. */
  rows: LiveRow[] = [];

  #sort: Sort;
  #filter: Filter;
  /** What `rows` was made of. */
  #membership = -1;
  #sortedAt = -Infinity;
  #sortedVersion = -1;
  #hasGone = false;

  constructor(sort: Sort, filter: Filter) {
    this.#sort = sort;
    this.#filter = filter;
  }

  /** Another sort or filter was asked for: it counts at once, held or not. */
  set(sort: Sort, filter: Filter): void {
    if (sort === this.#sort && filter === this.#filter) return;
    this.#sort = sort;
    this.#filter = filter;
    this.#sortedAt = -Infinity;
    this.#sortedVersion = -1;
  }

  /** Follows what is live now; returns whether `rows` is another list. To be called with each change, and now and then. */
  follow(live: LiveRows, now: number, held: boolean): boolean {
    const asked = this.#sortedAt === -Infinity;
    const due = !held && live.version !== this.#sortedVersion && now - this.#sortedAt >= settleMs;
    if (asked || due) {
      this.#settle(live, now);
      return true;
    }
    const moved = live.membership !== this.#membership || (this.#hasGone && !held);
    if (moved) this.#admit(live, now, held);
    return moved;
  }

  /** Sorts everything. What was in order before nearly still is, which makes it cheap: so it begins with that. */
  #settle(live: LiveRows, now: number): void {
    const matches = matching(this.#filter);
    const kept = this.#kept(live);
    const newcomers = this.#newcomers(live, kept);
    this.rows = [...kept.filter(matches), ...newcomers].sort(comparing(this.#sort));
    this.#hasGone = false;
    this.#membership = live.membership;
    this.#sortedVersion = live.version;
    this.#sortedAt = now;
  }

  /** Lets in who came and out who went, and leaves the rest as it is. */
  #admit(live: LiveRows, now: number, held: boolean): void {
    const kept = this.#kept(live);
    const newcomers = this.#newcomers(live, kept);
    if (!held && newcomers.length > fewNewcomers) {
      this.#settle(live, now);
      return;
    }
    this.#membership = live.membership;
    if (held) {
      this.rows = [...this.rows, ...newcomers];
      this.#hasGone = this.rows.some(({ broadcast }) => !live.get(broadcast));
      return;
    }
    for (const row of newcomers) kept.splice(placeOf(row, kept, this.#sort), 0, row);
    this.rows = kept;
    this.#hasGone = false;
  }

  #kept(live: LiveRows): LiveRow[] {
    return this.rows.map(({ broadcast }) => live.get(broadcast)).filter((row) => row !== undefined);
  }

  #newcomers(live: LiveRows, kept: LiveRow[]): LiveRow[] {
    // Without a filter, which is most of the time, nobody has to be looked for.
    if (kept.length === live.size) return [];
    const known = new Set(kept.map(({ broadcast }) => broadcast));
    const matches = matching(this.#filter);
    return [...live.values()].filter((row) => !known.has(row.broadcast) && matches(row));
  }
}

/** Where a row belongs in a list that is nearly in order. */
function placeOf(row: LiveRow, rows: LiveRow[], sort: Sort): number {
  const compare = comparing(sort);
  let [low, high] = [0, rows.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (compare(rows[middle]!, row) <= 0) low = middle + 1;
    else high = middle;
  }
  return low;
}
