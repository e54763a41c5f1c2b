import { Problem } from '../../../api/request.ts';
import { ban, endBroadcast, kick, mute, type Act } from '../../../api/rooms.ts';
import { words } from '../../../words/words.ts';

export type ActKind = 'kick' | 'mute' | 'ban' | 'end';

/** What is about to be done, and to whom. */
export interface Acting {
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

const does: Record<ActKind, (token: string, room: string, act: Act) => Promise<void>> = {
  kick,
  mute,
  ban,
  end: (token, room, { target, reason }) => endBroadcast(token, target, room, reason),
};

const text = words.admin.room.acts;

/** Does it; returns what went wrong, in words, or nothing. */
export async function perform(token: string, room: string, kind: ActKind, target: string, reason: string, length: string): Promise<string> {
  const seconds = Number(length);
  try {
    await does[kind](token, room, { target, reason, ...(seconds > 0 && { seconds }) });
    return '';
  } catch (error) {
    return failure(error);
  }
}

/** An error of the API, in words. */
export function failure(error: unknown): string {
  return error instanceof Problem ? text.failed(error.message) : text.unreachable;
}
