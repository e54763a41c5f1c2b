import { get, type Page } from './request.ts';

/** What can be done, as the audit names it. */
export const actions = [
  'ban',
  'unban',
  'mute',
  'unmute',
  'kick',
  'slow',
  'delete',
  'end',
  'drain',
  'token.revoke',
  'token.restore',
  'webhook.create',
  'webhook.delete',
  'webhook.resume',
  'webhook.replay',
] as const;

export type ActionName = (typeof actions)[number];

/** A row of `GET /v1/audit`: who did what to whom. */
export interface AuditEntry {
  seq: number;
  at: string;
  actor: string;
  /** An ActionName, or one that a newer server knows. */
  action: string;
  /** `*`: everywhere. Not there if it is about no room. */
  room?: string;
  target?: string;
  reason?: string;
  expires_at?: string;
  /** Of a deleted line. */
  offset?: number;
  /** Of slow chat. */
  seconds?: number;
}

/** Which entries are wanted; each narrows the list, empty ones do not. */
export interface AuditFilters {
  room?: string;
  actor?: string;
  target?: string;
  action?: string;
}

export function listAudit(token: string, filters: AuditFilters, after?: string): Promise<Page<AuditEntry>> {
  return get(token, '/v1/audit', { ...filters, first: '50', after });
}
