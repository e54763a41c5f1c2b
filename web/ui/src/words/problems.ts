import { TallylightError, type StopReason } from '@tallylight/client';
import { words } from './words.ts';

/** The entry of a table whose keys come from the server, which may know more of them. */
function entry(table: Record<string, string>, key: string): string | undefined {
  return Object.hasOwn(table, key) ? table[key] : undefined;
}

const { problems } = words;

/** An error for a person: what happened, and when to try again. */
export function errorWords(error: unknown): string {
  if (!(error instanceof TallylightError)) return problems.ourFault;
  if (error.code === 'rate_limited') return problems.tooFast(soon(error.retryAfterMs));
  return entry(problems.errors, error.code) ?? problems.refused(error.message);
}

function soon(ms: number | undefined): string {
  if (ms === undefined || ms <= 0) return problems.inAMoment;
  return problems.inSeconds(Math.ceil(ms / 1000));
}

/** Why the connection ended for good. */
export function stopWords({ code, message }: StopReason): string {
  return entry(problems.stops, code) ?? problems.stopped(message);
}

/** Whether another token could help. */
export function wantsToken(code: string): boolean {
  return ['unauthorized', 'token_expired', 'revoked', 'forbidden'].includes(code);
}

/** Why a broadcast ended or is interrupted. */
export function reasonWords(reason: string | undefined): string {
  if (reason === undefined || reason === '') return '';
  return entry(problems.reasons, reason) ?? reason.replaceAll('_', ' ');
}
