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

/** Values of a query string; those that are empty or undefined are not in it. */
export type Query = Record<string, string | undefined>;

/** A path with a query string, if there is anything to ask for. */
export function withQuery(path: string, query: Query): string {
  const given = Object.entries(query).filter((entry): entry is [string, string] => entry[1] !== undefined && entry[1] !== '');
  return given.length > 0 ? `${path}?${new URLSearchParams(given)}` : path;
}

/** Gets what a path has, as JSON. */
export async function get<T>(token: string, path: string, query: Query = {}): Promise<T> {
  const response = await request(withQuery(path, query), token);
  return (await response.json()) as T;
}

/** Has something done, and returns the answer's JSON; undefined where there is none. */
export async function send<T = void>(token: string, method: 'POST' | 'PUT' | 'DELETE', path: string, body?: unknown): Promise<T> {
  const json = { headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) };
  const response = await request(path, token, { method, ...(body !== undefined && json) });
  const text = await response.text();
  return (text === '' ? undefined : JSON.parse(text)) as T;
}
