/** A row of `GET /v1/live`. */
export interface LiveRow {
  broadcast: string;
  streamer: { id: string; name: string };
  room: string;
  state: 'live' | 'reconnecting';
  title: string;
  category: string;
  language: string;
  tags: string[];
  started_at: string;
  viewers: number;
  peak_viewers: number;
}

/** A row of `GET /v1/broadcasts`. */
export interface BroadcastRecord {
  id: string;
  streamer: { id: string; name: string };
  room: string;
  title: string;
  started_at: string;
  ended_at: string;
  reason: string;
  /** Null when nobody counted. */
  peak_viewers: number | null;
}

export interface Page<T> {
  data: T[];
  next?: string;
}

/** An answer that was not the wanted one: a problem document (RFC 9457), or no answer at all. */
export class Problem extends Error {
  readonly status: number;
  readonly code: string;

  constructor(status: number, code: string, message: string) {
    super(message);
    this.status = status;
    this.code = code;
  }

  /** Whether another token could help. */
  get wantsToken(): boolean {
    return this.status === 401 || this.status === 403;
  }
}

/** Gets a resource of the HTTP API. Rejects with a Problem for everything that is not 2xx. */
export async function request(path: string, token: string | undefined, init: RequestInit = {}): Promise<Response> {
  const headers = new Headers(init.headers);
  if (token) headers.set('Authorization', `Bearer ${token}`);
  const response = await fetch(path, { cache: 'no-store', ...init, headers });
  if (response.ok) return response;
  const body = (await response.json().catch(() => ({}))) as { code?: string; title?: string; detail?: string };
  throw new Problem(response.status, body.code ?? 'unknown', body.detail ?? body.title ?? `status ${response.status}`);
}

export async function getBroadcasts(token: string | undefined, after?: string): Promise<Page<BroadcastRecord>> {
  const query = new URLSearchParams({ first: '20', ...(after !== undefined && { after }) });
  const response = await request(`/v1/broadcasts?${query}`, token);
  return (await response.json()) as Page<BroadcastRecord>;
}
