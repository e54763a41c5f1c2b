import { endBroadcast } from '../../../api/rooms.ts';
import { ban, kick, mute } from '../../../api/sanctions.ts';

export type ActKind = 'kick' | 'mute' | 'ban' | 'end';

/** What is about to be done, and to whom. */
export interface Act {
  kind: ActKind;
  /** A user id; empty where it is still to be said. */
  target: string;
  name: string;
}

/** How long each may last, by its key in the words. An end has no length. */
export const lengths: Record<ActKind, string[]> = {
  kick: ['once', '600', '3600', '86400'],
  mute: ['600', '3600', '86400', '604800', 'lifted'],
  ban: ['lifted', '600', '3600', '86400', '604800', '2592000'],
  end: [],
};

/** What does each. `seconds` is how long it lasts; with 0 a kick is over at once, and the rest stays until it is lifted. */
const does: Record<ActKind, (token: string, room: string, target: string, reason: string, seconds: number) => Promise<unknown>> = {
  kick,
  mute,
  ban: (token, room, target, reason, seconds) => ban(token, room, banned(target), reason, seconds > 0 ? new Date(Date.now() + seconds * 1000) : undefined),
  end: (token, room, target, reason) => endBroadcast(token, target, room, reason),
};

/** A user, or an address: `ip:` and the address. */
const banned = (target: string) => (target.startsWith('ip:') ? { ip: target.slice(3) } : { user: target });

/** Does it. Rejects as the API does. */
export function perform(token: string, room: string, kind: ActKind, target: string, reason: string, length: string): Promise<unknown> {
  // A length that is no number is one without an end.
  return does[kind](token, room, target, reason, Number(length) || 0);
}
