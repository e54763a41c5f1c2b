import type { Revocation, Revoke } from '../../../api/revocations.ts';
import { endOf, type Lasting } from '../../../parts/lasting.ts';
import { clockTime } from '../../../parts/time.ts';
import { words } from '../../../words/words.ts';

const text = words.admin.revocations;

/** Which tokens a revocation is of, in words. */
export function what({ id, jti, sub, issued_before: before }: Revocation): string {
  if (jti !== undefined) return text.token(jti);
  if (sub === undefined) return id;
  return before === undefined ? text.user(sub) : text.userBefore(sub, clockTime(before));
}

/** What the form for a revocation has in its fields. */
export interface Form {
  kind: 'jti' | 'sub' | 'before';
  /** The id of the token, or of the user. */
  of: string;
  /** Of a field for a local time. */
  before: string;
  lasting: Lasting;
  reason: string;
}

/** What the form says; undefined while something is missing. */
export function wanted({ kind, of, before, lasting, reason }: Form, now: number): Revoke | undefined {
  const [id, issued, end] = [of.trim(), new Date(before), endOf(lasting, now)];
  if (id === '' || (kind === 'before' && isNaN(+issued)) || (end !== undefined && !(+end > now))) return undefined;
  return {
    ...(kind === 'jti' ? { jti: id } : { sub: id }),
    ...(kind === 'before' && { issued_before: issued.toISOString() }),
    ...(end !== undefined && { expires_at: end.toISOString() }),
    ...(reason.trim() !== '' && { reason: reason.trim() }),
  };
}
