import { get, send, type Page } from './request.ts';

/** What a node says of itself; of another one than the one that answered it is a second old. */
export interface NodeReport {
  started_at: string;
  version: string;
  draining: boolean;
  connections: number;
  memory_bytes: number;
  goroutines: number;
  /** How long Redis took to answer it; not there without Redis. */
  redis_ms?: number;
}

/** A row of `GET /v1/nodes`. */
export interface NodeRow {
  id: string;
  /** The one that answered. */
  self: boolean;
  /** Not there if it cannot be heard, or has just started. */
  report?: NodeReport;
}

export function listNodes(token: string): Promise<Page<NodeRow>> {
  return get(token, '/v1/nodes');
}

/** Has a node send everybody to the others. Resolves when it was told, not when they have gone. */
export function drainNode(token: string, id: string): Promise<void> {
  return send(token, 'POST', `/v1/nodes/${encodeURIComponent(id)}/drain`);
}
