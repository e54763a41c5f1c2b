import type { NodeRow } from '../../../api/nodes.ts';

/** How a node does: it serves, sends everybody away, has done so, or is not heard. */
export type NodeState = 'serving' | 'draining' | 'drained' | 'silent';

export function stateOf({ report }: NodeRow): NodeState {
  if (!report) return 'silent';
  if (!report.draining) return 'serving';
  return report.connections > 0 ? 'draining' : 'drained';
}

/** Remembers how many connections a node had when it began to drain, as far as this page has seen it. */
export class Emptying {
  readonly #most = new Map<string, number>();

  /** How many are left, and of how many; undefined while the node serves. */
  of({ id, report }: NodeRow): { left: number; all: number } | undefined {
    if (!report) return undefined;
    if (!report.draining) {
      this.#most.set(id, report.connections);
      return undefined;
    }
    const all = Math.max(this.#most.get(id) ?? 0, report.connections);
    this.#most.set(id, all);
    return { left: report.connections, all };
  }
}

/** How many nodes would still serve without one. */
export function othersServe(rows: readonly NodeRow[], id: string): boolean {
  return rows.some((row) => row.id !== id && stateOf(row) !== 'draining' && stateOf(row) !== 'drained');
}
