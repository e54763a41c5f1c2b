import { liftBan, liftMute, listBans, listMutes, type Sanction } from '../../../api/sanctions.ts';
import type { Page } from '../../../api/request.ts';
import { words } from '../../../words/words.ts';

const text = words.admin.bans;

/** What may be done to somebody, with what there is to read and to do about it. */
export const kinds = {
  ban: { text: text.bans, list: listBans, lift: liftBan },
  mute: { text: text.mutes, list: listMutes, lift: liftMute },
} satisfies Record<string, Kind>;

interface Kind {
  text: typeof text.bans;
  list: (token: string, room: string, after?: string) => Promise<Page<Sanction>>;
  lift: (token: string, sanction: Sanction) => Promise<void>;
}

export type KindName = keyof typeof kinds;

/** Whom it hits, in words. */
export const whom = ({ user, ip, target }: Sanction) => user ?? (ip === undefined ? target : text.address(ip));

/** Where it holds, within a sentence. */
export const where = (room: string) => (room === '*' ? text.inAll : text.inRoom(room));
