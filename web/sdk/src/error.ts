/** Codes of the server. They are stable; a newer server may know more. */
export type ServerErrorCode =
  | 'bad_request'
  | 'unauthorized'
  | 'forbidden'
  | 'not_found'
  | 'not_joined'
  | 'conflict'
  | 'too_large'
  | 'rate_limited'
  | 'peer_gone'
  | 'peer_limit'
  | 'unavailable'
  | 'internal';

/**
 * Codes of the client itself: there is no connection, or it was lost before the answer; the answer did not come in
 * time; the client was closed; a loop of `each` fell too far behind. After `disconnected` and `timeout` the outcome of a
 * request is unknown.
 */
export type ClientErrorCode = 'disconnected' | 'timeout' | 'closed' | 'too_slow';

export type ErrorCode = ServerErrorCode | ClientErrorCode | (string & {});

/** A refused or failed request. `code` is for programs, `message` for people who read logs. */
export class TallylightError extends Error {
  override readonly name = 'TallylightError';
  readonly code: ErrorCode;
  /** With `rate_limited` and sometimes `unavailable`: try again after so many milliseconds. */
  readonly retryAfterMs: number | undefined;

  constructor(code: ErrorCode, message: string, retryAfterMs?: number) {
    super(message);
    this.code = code;
    this.retryAfterMs = retryAfterMs;
  }

  /** Whether the same request may succeed later without anybody changing anything. */
  get temporary(): boolean {
    return ['rate_limited', 'unavailable', 'internal', 'disconnected', 'timeout'].includes(this.code);
  }
}
