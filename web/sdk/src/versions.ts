import type { Broadcast } from './messages.ts';

/** A room rarely has more than two broadcasts in the minutes in which old events can come again. */
const remembered = 16;

/** Remembers the newest version of each broadcast, so that a late or repeated `live.*` event changes nothing. */
export class VersionTracker {
  readonly #newest = new Map<string, number>();

  /** Takes note of a broadcast; false when this version or a newer one of it is known. */
  advance({ id, version }: Pick<Broadcast, 'id' | 'version'>): boolean {
    const known = this.#newest.get(id);
    if (known !== undefined && version <= known) return false;
    this.learn({ id, version });
    return true;
  }

  /** Takes a snapshot's word for it. */
  learn({ id, version }: Pick<Broadcast, 'id' | 'version'>): void {
    this.#newest.delete(id);
    this.#newest.set(id, version);
    if (this.#newest.size <= remembered) return;
    const oldest = this.#newest.keys().next().value;
    if (oldest !== undefined) this.#newest.delete(oldest);
  }
}
