import { listBroadcasts, type BroadcastFilters, type BroadcastRecord } from '../../../api/broadcasts.ts';
import type { Problem } from '../../../api/request.ts';
import { Paged } from '../../../parts/paged.svelte.ts';

/** A record is written a moment after its broadcast was announced as ended: look at once, and again. */
const looksAfterEndMs = [0, 1000, 4000];

/** The broadcasts on record, the latest start first. */
export class History {
  readonly list: Paged<BroadcastRecord>;
  #timers: ReturnType<typeof setTimeout>[] = [];

  constructor(token: string, filters: BroadcastFilters, unauthorized: (problem: Problem) => void) {
    this.list = new Paged({ page: (after) => listBroadcasts(token, filters, after), key: ({ id }) => id, unauthorized });
  }

  /** Looks for what has changed, after a broadcast has ended. */
  ended(): void {
    this.#timers.forEach(clearTimeout);
    this.#timers = looksAfterEndMs.map((ms) => setTimeout(() => void this.list.refresh(), ms));
  }

  close(): void {
    this.#timers.forEach(clearTimeout);
    this.list.close();
  }
}
