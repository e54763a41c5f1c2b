import type { LiveRow } from '../api/request.ts';

/** A `change` of `GET /v1/live/stream`. */
export interface LiveChange {
  event: string;
  row: LiveRow;
  version: number;
}

/** One broadcast in a `viewers` of the stream. */
export type ViewerCount = Pick<LiveRow, 'broadcast' | 'viewers' | 'peak_viewers'>;

export interface Totals {
  live: number;
  reconnecting: number;
  viewers: number;
}

/** How many ended broadcasts are remembered, so that a late change brings none of them back. */
const keptEnded = 1_000;

/**
 * Who is live, by broadcast. What a message costs goes by what it changes, not by how many are live. Rows are replaced and
 * never changed: who holds one holds what was known then.
 */
export class LiveRows {
  readonly #rows = new Map<string, LiveRow>();
  readonly #byRoom = new Map<string, string>();
  readonly #categories = new Map<string, number>();
  readonly #versions = new Map<string, number>();
  readonly #ended = new Map<string, number>();
  #totals: Totals = { live: 0, reconnecting: 0, viewers: 0 };
  #version = 0;
  #membership = 0;

  /** Grows with everything that changes. */
  get version(): number {
    return this.#version;
  }

  /** Grows when a broadcast came or went. */
  get membership(): number {
    return this.#membership;
  }

  get size(): number {
    return this.#rows.size;
  }

  get totals(): Totals {
    return { ...this.#totals };
  }

  /** The categories that somebody is live in, in no order. */
  get categories(): string[] {
    return [...this.#categories.keys()];
  }

  values(): Iterable<LiveRow> {
    return this.#rows.values();
  }

  get(broadcast: string): LiveRow | undefined {
    return this.#rows.get(broadcast);
  }

  /** The broadcast that runs in a room. */
  in(room: string): LiveRow | undefined {
    const broadcast = this.#byRoom.get(room);
    return broadcast === undefined ? undefined : this.#rows.get(broadcast);
  }

  /** Replaces everything. */
  reset(rows: LiveRow[]): void {
    for (const known of [this.#rows, this.#byRoom, this.#categories, this.#versions, this.#ended]) known.clear();
    this.#totals = { live: 0, reconnecting: 0, viewers: 0 };
    this.#membership++;
    this.#version++;
    for (const row of rows) this.#put(row);
  }

  /** Returns whether it was news; a late or repeated change is none. */
  change({ event, row, version }: LiveChange): boolean {
    const id = row.broadcast;
    if (version <= (this.#versions.get(id) ?? this.#ended.get(id) ?? 0)) return false;
    this.#version++;
    if (event === 'live.ended') {
      this.#drop(id, version);
    } else {
      this.#versions.set(id, version);
      this.#put(row);
    }
    return true;
  }

  count(counts: ViewerCount[]): void {
    for (const { broadcast, viewers, peak_viewers } of counts) {
      const row = this.#rows.get(broadcast);
      if (!row || (row.viewers === viewers && row.peak_viewers === peak_viewers)) continue;
      this.#totals.viewers += viewers - row.viewers;
      this.#rows.set(broadcast, { ...row, viewers, peak_viewers });
      this.#version++;
    }
  }

  #put(row: LiveRow): void {
    const old = this.#rows.get(row.broadcast);
    if (old) this.#add(old, -1);
    else this.#membership++;
    this.#rows.set(row.broadcast, row);
    this.#byRoom.set(row.room, row.broadcast);
    this.#add(row, 1);
  }

  #drop(id: string, version: number): void {
    this.#versions.delete(id);
    this.#ended.set(id, version);
    if (this.#ended.size > keptEnded) this.#ended.delete(this.#ended.keys().next().value!);
    const old = this.#rows.get(id);
    if (!old) return;
    this.#membership++;
    this.#rows.delete(id);
    // The room may have gone on to its next broadcast.
    if (this.#byRoom.get(old.room) === id) this.#byRoom.delete(old.room);
    this.#add(old, -1);
  }

  /** Adds a row to what is summed up, or takes it out. */
  #add(row: LiveRow, sign: 1 | -1): void {
    this.#totals[row.state] += sign;
    this.#totals.viewers += sign * row.viewers;
    if (row.category === '') return;
    const inCategory = (this.#categories.get(row.category) ?? 0) + sign;
    if (inCategory > 0) this.#categories.set(row.category, inCategory);
    else this.#categories.delete(row.category);
  }
}
