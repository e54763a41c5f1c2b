import type { Sanction, SanctionKind } from '../../../api/sanctions.ts';
import { words } from '../../../words/words.ts';

const text = words.admin.bans;

/** What may be done to somebody, with what there is to read and to do about it. */
export const kinds = {
  ban: { text: text.bans, list: 'bans' },
  mute: { text: text.mutes, list: 'mutes' },
} satisfies Record<string, Kind>;

interface Kind {
  text: typeof text.bans;
  list: SanctionKind;
}

export type KindName = keyof typeof kinds;

/** Whom it hits, in words. */
export const whom = ({ user, ip, target }: Sanction) => user ?? (ip === undefined ? target : text.address(ip));

/** Where it holds, within a sentence. */
export const where = (room: string) => (room === '*' ? text.inAll : text.inRoom(room));
