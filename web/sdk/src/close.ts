/** What a client does after a close. */
export type CloseAction =
  /** Come back, after the usual jittered delay. */
  | 'return'
  /** Come back with a new token; without one, stay away. */
  | 'new_token'
  /** Do not come back by yourself: the same would happen again. */
  | 'stay_away';

export interface CloseRule {
  action: CloseAction;
  /** A name for programs, which stays the same: `reason.code` of the status `stopped`. */
  name: string;
  /** The reason in words, for a person. */
  words: string;
}

/** The close codes of the protocol. What is not in the table is taken as a lost connection: come back. */
export const closeRules: Readonly<Record<number, CloseRule>> = {
  1000: { action: 'return', name: 'normal', words: 'the connection was closed' },
  1001: { action: 'return', name: 'going_away', words: 'the server went away' },
  1002: { action: 'return', name: 'bad_frame', words: 'a frame was damaged' },
  1007: { action: 'return', name: 'not_text', words: 'a message was no text' },
  1009: { action: 'stay_away', name: 'too_large', words: 'a message was too large' },
  1012: { action: 'return', name: 'service_restart', words: 'the server is restarting' },
  4400: { action: 'stay_away', name: 'protocol_error', words: 'the server did not understand this client' },
  4401: { action: 'new_token', name: 'unauthorized', words: 'the token was refused' },
  4403: { action: 'new_token', name: 'revoked', words: 'the token was withdrawn' },
  4404: { action: 'return', name: 'no_hello', words: 'the sign-in took too long' },
  4408: { action: 'return', name: 'heartbeat_missed', words: 'the heartbeat was missed' },
  4409: { action: 'stay_away', name: 'replaced', words: 'the same streamer connected from another window' },
  4410: { action: 'return', name: 'too_slow', words: 'the connection could not keep up' },
  4411: { action: 'stay_away', name: 'kicked', words: 'a moderator removed you' },
  4412: { action: 'stay_away', name: 'banned', words: 'a moderator banned you' },
  4419: { action: 'new_token', name: 'token_expired', words: 'the token expired' },
  4429: { action: 'return', name: 'too_many_requests', words: 'too many messages or connections' },
};

/** Whether a moderator closed the connection. */
export const isExpulsion = (code: number): boolean => code === 4411 || code === 4412;

/** What the reason of a close with 4411 or 4412 says: until when (Unix milliseconds), and why, as far as there is an answer. */
export function expulsion(reason: string): { until?: number; why?: string } {
  const [, end, why] = /^(?:kicked|banned)(?: until (\S+?Z))?(?:: (.*))?$/.exec(reason) ?? [];
  const until = end === undefined ? NaN : Date.parse(end);
  return { ...(!Number.isNaN(until) && { until }), ...(why !== undefined && { why }) };
}

const lost: CloseRule = { action: 'return', name: 'lost', words: 'the connection was lost' };

export function closeRule(code: number): CloseRule {
  return closeRules[code] ?? lost;
}
