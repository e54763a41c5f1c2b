import type { Position } from './messages.ts';

/** Remembers how far a room's events were seen, and tells which are new. */
export class PositionTracker {
  #known: Position | undefined;

  /** The last position seen: what a rejoin gives as `since`. */
  get known(): Position | undefined {
    return this.#known;
  }

  /** Takes note of an event; false when it was seen before. Another epoch is always new. */
  advance(event: Position): boolean {
    if (this.isBefore(event)) return false;
    this.reset(event);
    return true;
  }

  /** Whether the position, of the same epoch, is at or before the last one seen. */
  isBefore(position: Position): boolean {
    return this.#known?.epoch === position.epoch && position.offset <= this.#known.offset;
  }

  /** Starts anew from a snapshot, whatever was seen before. */
  reset({ epoch, offset }: Position): void {
    this.#known = { epoch, offset };
  }
}
