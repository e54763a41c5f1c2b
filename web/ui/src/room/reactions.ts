/**
 * The kinds that the pages offer. A room takes 16, so that applications have some left for kinds of their own. These are in the
 * fonts of machines, too, that have none with colours.
 */
export const offeredKinds = ['❤️', '😂', '😍', '😮', '😢', '⚡'] as const;
export type OfferedKind = (typeof offeredKinds)[number];

/** More at a time would hide the picture, and slow it down. */
export const mostFloating = 30;

/**
 * Which reactions are shown of all that were counted, at most so many: each kind by its share, and the rarest too while there
 * is room for them. Kinds take turns, so that a cut hits none of them alone.
 */
export function chosen(counts: Record<string, number>, most: number): string[] {
  const kinds = Object.entries(counts).filter(([, count]) => count > 0).sort(([, a], [, b]) => b - a).slice(0, Math.max(0, most));
  const total = kinds.reduce((sum, [, count]) => sum + count, 0);
  const scale = Math.min(1, most / total);
  const left = kinds.map(([kind, count]) => ({ kind, count: Math.max(1, Math.floor(count * scale)) }));
  const turns: string[] = [];
  for (let turn = 0; turns.length < most && left.some(({ count }) => count > turn); turn++) {
    turns.push(...left.filter(({ count }) => count > turn).map(({ kind }) => kind));
  }
  return turns.slice(0, Math.max(0, most));
}

/** One's own reactions, which float at once and come again in the counts. */
export class OwnReactions {
  readonly #coming = new Map<string, number>();

  add(kind: string): void {
    this.#coming.set(kind, (this.#coming.get(kind) ?? 0) + 1);
  }

  /** It was refused: it will not come. */
  drop(kind: string): void {
    this.#set(kind, (this.#coming.get(kind) ?? 0) - 1);
  }

  /** What others did, of what was counted. */
  without(counts: Record<string, number>): Record<string, number> {
    return Object.fromEntries(
      Object.entries(counts).map(([kind, count]) => {
        const own = Math.min(count, this.#coming.get(kind) ?? 0);
        if (own > 0) this.#set(kind, (this.#coming.get(kind) ?? 0) - own);
        return [kind, count - own];
      }),
    );
  }

  #set(kind: string, count: number): void {
    if (count > 0) this.#coming.set(kind, count);
    else this.#coming.delete(kind);
  }
}

/** How often one may react: some at once, then a few a second. It keeps far below what ends a connection for its rate. */
export class Allowance {
  readonly #burst: number;
  readonly #everyMs: number;
  #left: number;
  #at = 0;

  constructor({ burst = 10, everyMs = 400 }: { burst?: number; everyMs?: number } = {}) {
    this.#burst = this.#left = burst;
    this.#everyMs = everyMs;
  }

  /** Takes one, if there is one. */
  take(now: number): boolean {
    this.#refill(now);
    if (this.#left < 1) return false;
    this.#left--;
    return true;
  }

  /** When the next one may be taken: now, or later. */
  nextAt(now: number): number {
    this.#refill(now);
    return this.#left >= 1 ? now : now + (1 - this.#left) * this.#everyMs;
  }

  #refill(now: number): void {
    if (this.#at > 0) this.#left = Math.min(this.#burst, this.#left + Math.max(0, now - this.#at) / this.#everyMs);
    this.#at = now;
  }
}
