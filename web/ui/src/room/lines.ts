import { isEventOf, type EventMessage, type Role } from '@tallylight/client';
import { lasting } from './lasting.ts';
import { reasonWords } from '../words/problems.ts';
import { words } from '../words/words.ts';

export interface ChatLine {
  /** Its offset, which is its key: chat and system lines are events of one room. */
  offset: number;
  at: number;
  text: string;
  /** Absent for a line of the system. The id is not there if it was no user who spoke. */
  from?: { id?: string; name: string; role: Role };
  /** Whom a line of the system is about, and what was done to them: it can be undone. */
  about?: { id: string; name: string; undo: 'unmute' | 'unban' };
}

/** What the chat shows of an event: a line, or nothing. Of whom a moderator acted upon, an event knows only the id. */
export function linesOf(event: EventMessage, nameOf: (user: string) => string): ChatLine[] {
  const line = lineOf(event, nameOf);
  return line ? [{ offset: event.offset, at: event.at, ...line }] : [];
}

type Said = Pick<ChatLine, 'text' | 'from' | 'about'>;

function lineOf(event: EventMessage, nameOf: (user: string) => string): Said | undefined {
  if (isEventOf(event, 'chat')) {
    if (event.data.deleted === true) return undefined;
    return { text: event.data.text, from: event.from ?? { name: words.shared.product, role: 'moderator' } };
  }
  if (isEventOf(event, 'live.started')) return { text: words.chat.onAir(event.data.broadcast.title ?? '') };
  if (isEventOf(event, 'live.ended')) return { text: words.chat.offAir(reasonWords(event.data.reason)) };
  if (isEventOf(event, 'room.updated')) {
    const { slow_seconds: seconds } = event.data;
    return { text: seconds > 0 ? words.chat.slow.begins(lasting(seconds)) : words.chat.slow.ends };
  }
  return deedOf(event, nameOf);
}

/** What a moderator did to somebody. */
function deedOf(event: EventMessage, nameOf: (user: string) => string): Said | undefined {
  const { deeds } = words.chat;
  if (isEventOf(event, 'member.unmuted')) return { text: deeds.unmuted(nameOf(event.data.user.id)) };
  const muted = isEventOf(event, 'member.muted');
  if (!muted && !isEventOf(event, 'member.banned')) return undefined;
  const { user, until, reason = '' } = event.data;
  const name = nameOf(user.id);
  const time = until === undefined ? '' : lasting((until - event.at) / 1000);
  const text = muted ? deeds.muted(name, time, reason) : deeds.banned(name, time, reason);
  return { text, about: { id: user.id, name, undo: muted ? 'unmute' : 'unban' } };
}
