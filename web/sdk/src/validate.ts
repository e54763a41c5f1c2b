/** What a node says about a token. */
export type Verdict =
  /** It would be accepted. */
  | { kind: 'valid' }
  /** It is refused, for this reason. */
  | { kind: 'refused'; code: string; message: string }
  /** The node admits nobody at the moment. */
  | { kind: 'busy'; retryAfterMs: number }
  /** No answer, or none that says anything about the token. */
  | { kind: 'unknown' };

export type Fetch = (input: string, init?: RequestInit) => Promise<Response>;

/** Asks `GET /v1/validate` about a token. Never rejects. */
export async function validate(url: string, token: string, fetch: Fetch = globalThis.fetch): Promise<Verdict> {
  try {
    const response = await fetch(url, { headers: { Authorization: `Bearer ${token}` }, cache: 'no-store' });
    return await verdict(response);
  } catch {
    return { kind: 'unknown' };
  }
}

async function verdict(response: Response): Promise<Verdict> {
  if (response.ok) return { kind: 'valid' };
  if (response.status === 503 || response.status === 429) {
    return { kind: 'busy', retryAfterMs: retryAfterMs(response.headers.get('Retry-After')) };
  }
  if (response.status !== 401 && response.status !== 403) return { kind: 'unknown' };
  const problem = (await response.json().catch(() => ({}))) as { code?: string; title?: string; detail?: string };
  return {
    kind: 'refused',
    code: problem.code ?? 'unauthorized',
    message: problem.detail ?? problem.title ?? 'the token was refused',
  };
}

/** Retry-After is a number of seconds or an HTTP date (RFC 9110, section 10.2.3). */
export function retryAfterMs(header: string | null, now = Date.now()): number {
  if (header === null || header.trim() === '') return 0;
  const seconds = Number(header);
  const ms = Number.isFinite(seconds) ? seconds * 1000 : Date.parse(header) - now;
  return Number.isFinite(ms) ? Math.max(0, ms) : 0;
}
