import { get, send, type Page } from './request.ts';

/** Tokens that are no longer taken: one by its `jti`, or a user's. */
export interface Revocation {
  /** What takes it back. */
  id: string;
  jti?: string;
  sub?: string;
  /** Not there if all of the user's tokens are meant. */
  issued_before?: string;
  reason?: string;
  actor: string;
  created_at: string;
  /** When it may be forgotten. */
  expires_at?: string;
}

/** What is to be revoked; times are RFC 3339. */
export interface Revoke {
  jti?: string;
  sub?: string;
  issued_before?: string;
  expires_at?: string;
  reason?: string;
}

export function listRevocations(token: string, after?: string): Promise<Page<Revocation>> {
  return get(token, '/v1/revocations', { after });
}

export function revoke(token: string, what: Revoke): Promise<Revocation> {
  return send(token, 'POST', '/v1/revocations', what);
}

export function takeBack(token: string, { id }: Revocation): Promise<void> {
  return send(token, 'DELETE', `/v1/revocations/${encodeURIComponent(id)}`);
}
