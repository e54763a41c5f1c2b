import { get } from './request.ts';

/** What a good token says: `GET /v1/validate`, as far as it is needed here. */
export interface Validity {
  user: { id: string; name?: string };
  scopes: string[];
}

export function getValidity(token: string): Promise<Validity> {
  return get(token, '/v1/validate');
}
