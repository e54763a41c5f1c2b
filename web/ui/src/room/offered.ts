import type { ChatLine } from './lines.ts';

export type LineAction = 'delete' | 'mute' | 'kick' | 'ban' | 'unmute' | 'unban';

interface Moderator {
  /** Their own id, and the streamer's, as far as they are known. */
  user: string | undefined;
  streamer: string | undefined;
  /** Whether they may act upon the streamer too. */
  overStreamer: boolean;
}

/** What a moderator may do about a line, and about who said it. Nobody acts upon themselves. */
export function offeredFor({ from, about }: ChatLine, { user, streamer, overStreamer }: Moderator): LineAction[] {
  if (about) return about.id === user && !overStreamer ? [] : [about.undo];
  if (!from) return [];
  const untouchable = from.id === undefined || from.id === user || (from.id === streamer && !overStreamer);
  return untouchable ? ['delete'] : ['delete', 'mute', 'kick', 'ban'];
}
