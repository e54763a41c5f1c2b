import type { LiveRow } from '../../api/request.ts';

/** How long an order lasts, although viewers come and go: cards that change places all the time can't be read. */
export const settleMs = 5_000;

export interface ShownRow extends LiveRow {
  /** It has ended, and keeps its place as long as somebody may be about to press there. */
  over?: true;
}

const byViewers = (a: LiveRow, b: LiveRow) => b.viewers - a.viewers || (a.broadcast < b.broadcast ? 1 : -1);

/** The order of the cards: by viewers, but calm. */
export class Order {
  #shown: readonly ShownRow[] = [];
  #sortedAt = -Infinity;

  /** The next `arrange` sorts all of them: something else is looked for. */
  reset(): void {
    this.#sortedAt = -Infinity;
    this.#shown = [];
  }

  /**
   * Arranges what is live. While the list is held, by a pointer or the focus in it, what is shown keeps its place, even what
   * has ended; what is new comes after it.
   */
  arrange(rows: readonly LiveRow[], now: number, held: boolean): readonly ShownRow[] {
    if (!held && now - this.#sortedAt >= settleMs) {
      this.#sortedAt = now;
      this.#shown = rows.toSorted(byViewers);
    } else {
      this.#shown = this.#keep(rows, held);
    }
    return this.#shown;
  }

  #keep(rows: readonly LiveRow[], held: boolean): readonly ShownRow[] {
    const fresh = new Map(rows.map((row) => [row.broadcast, row]));
    const kept = this.#shown.flatMap((old): ShownRow[] => {
      const row = fresh.get(old.broadcast);
      fresh.delete(old.broadcast);
      if (row) return [row];
      return held ? [{ ...old, over: true }] : [];
    });
    return [...kept, ...[...fresh.values()].sort(byViewers)];
  }
}
