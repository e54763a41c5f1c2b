import { actions, type ActionName, type AuditEntry } from '../../../api/audit.ts';
import { clockTime } from '../../../parts/time.ts';
import { words } from '../../../words/words.ts';

const text = words.admin.audit;

const isKnown = (action: string): action is ActionName => (actions as readonly string[]).includes(action);

/** What was done, in words. What only a newer server knows has the name that it gives it. */
export const actionWords = (action: string) => (isKnown(action) ? text.actions[action] : action);

/** What else there is to say of it: until when, which line, how slow. */
export function moreWords({ expires_at: until, offset, seconds, action }: AuditEntry, now: number): string {
  const said = [
    until === undefined ? '' : text.until(clockTime(until, now)),
    offset === undefined ? '' : text.line(offset),
    // No seconds are those of a room that is slow no more: the API leaves a zero out.
    action === 'slow' ? text.slow(seconds ?? 0) : '',
  ];
  return said.filter(Boolean).join(', ');
}
