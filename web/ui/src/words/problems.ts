import { TallylightError, type StopReason } from '@tallylight/client';

const errorCodes: Record<string, string> = {
  unauthorized: 'Your token is no longer accepted.',
  forbidden: 'Your token does not allow this.',
  not_found: 'There is no such thing here.',
  not_joined: 'You are not in this room at the moment. Try again.',
  conflict: 'Somebody else is broadcasting in this room.',
  too_large: 'This is too long.',
  unavailable: 'The server cannot do this right now. Try again.',
  internal: 'Something went wrong on the server. Try again.',
  disconnected: 'There is no connection right now. It is being restored.',
  timeout: 'The server did not answer. Try again.',
};

/** An error for a person: what happened, and when to try again. */
export function errorWords(error: unknown): string {
  if (!(error instanceof TallylightError)) return 'Something went wrong on this page. Reload it.';
  if (error.code === 'rate_limited') return `Too fast. Try again ${soon(error.retryAfterMs)}.`;
  return errorCodes[error.code] ?? `The server said no: ${error.message}.`;
}

function soon(ms: number | undefined): string {
  if (ms === undefined || ms <= 0) return 'in a moment';
  const seconds = Math.ceil(ms / 1000);
  return seconds === 1 ? 'in a second' : `in ${seconds} seconds`;
}

const stopCodes: Record<string, string> = {
  protocol_error: 'The server did not understand this page. Reload it to get the newest one.',
  too_large: 'The server refused a message that was too large. Reload the page.',
  revoked: 'Your access was withdrawn.',
  replaced: 'Another window took over.',
  kicked: 'A moderator removed you from this room.',
  banned: 'A moderator banned you from this room.',
  token_expired: 'Your token has expired.',
};

/** Why the connection ended for good. */
export function stopWords({ code, message }: StopReason): string {
  return stopCodes[code] ?? `The server refused the connection: ${message}.`;
}

/** Whether another token could help. */
export function wantsToken(code: string): boolean {
  return ['unauthorized', 'token_expired', 'revoked', 'forbidden'].includes(code);
}

const reasons: Record<string, string> = {
  ended_by_streamer: 'ended by the streamer',
  left: 'the streamer left',
  connection_lost: 'connection lost',
  node_lost: 'a server was lost',
  drain: 'a server was restarted',
  ended_by_admin: 'ended by an administrator',
  kicked: 'removed by a moderator',
  banned: 'banned by a moderator',
  revoked: 'access revoked',
  lost: 'lost by the server',
};

/** Why a broadcast ended or is interrupted. */
export function reasonWords(reason: string | undefined): string {
  if (reason === undefined || reason === '') return '';
  return reasons[reason] ?? reason.replaceAll('_', ' ');
}
