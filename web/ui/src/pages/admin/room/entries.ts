import { isEventOf, type EventMessage } from '@tallylight/client';
import { clockTime } from '../../../parts/time.ts';
import { reasonWords } from '../../../words/problems.ts';
import { words } from '../../../words/words.ts';

export type Kind = 'chat' | 'broadcast' | 'moderation' | 'application';

/** Something that happened in the room, as a line. */
export interface Entry {
  /** Its position: no two events have the same. */
  key: string;
  at: number;
  kind: Kind;
  text: string;
  /** Who said it; not there for what the service tells. */
  who?: string;
  /** Of a line of chat that can be deleted. */
  offset?: number;
  deleted?: boolean;
}

/** Of what an application publishes, this much is shown. */
const shownData = 200;

const { events: text } = words.admin.room;
const { says } = text;
const until = (ms: number | undefined) => (ms === undefined ? undefined : clockTime(ms));

/** An event as a line. */
export function entryOf(event: EventMessage): Entry {
  const { epoch, offset, at, from } = event;
  const name = from && (from.name || from.id);
  return { key: `${epoch}/${offset}`, at, ...(name !== undefined && { who: name }), ...lineOf(event) };
}

function lineOf(event: EventMessage): Pick<Entry, 'kind' | 'text' | 'offset' | 'deleted' | 'who'> {
  if (isEventOf(event, 'chat')) {
    const { text: said, deleted = false } = event.data;
    return { kind: 'chat', text: said, offset: event.offset, deleted, who: event.from?.name || event.from?.id || text.service };
  }
  return broadcastLine(event) ?? moderationLine(event) ?? applicationLine(event);
}

function broadcastLine(event: EventMessage): Pick<Entry, 'kind' | 'text'> | undefined {
  const line = (said: string) => ({ kind: 'broadcast' as const, text: said });
  if (isEventOf(event, 'streamer.online')) return line(says.online(event.data.user.name || event.data.user.id));
  if (isEventOf(event, 'streamer.offline')) return line(says.offline(event.data.user.name || event.data.user.id));
  if (isEventOf(event, 'live.started')) return line(says.started(event.data.broadcast.title ?? ''));
  if (isEventOf(event, 'live.updated')) return line(says.updated(event.data.broadcast.title ?? ''));
  if (isEventOf(event, 'live.reconnecting')) return line(says.reconnecting(reasonWords(event.data.reason)));
  if (isEventOf(event, 'live.resumed')) return line(says.resumed);
  if (isEventOf(event, 'live.ended')) return line(says.ended(reasonWords(event.data.reason)));
  return undefined;
}

function moderationLine(event: EventMessage): Pick<Entry, 'kind' | 'text'> | undefined {
  const line = (said: string) => ({ kind: 'moderation' as const, text: said });
  if (isEventOf(event, 'chat.deleted')) return line(says.deletedLine);
  if (isEventOf(event, 'member.muted')) return line(says.muted(event.data.user.id, until(event.data.until), event.data.reason));
  if (isEventOf(event, 'member.unmuted')) return line(says.unmuted(event.data.user.id));
  if (isEventOf(event, 'member.banned')) return line(says.banned(event.data.user.id, until(event.data.until), event.data.reason));
  if (isEventOf(event, 'room.updated')) return line(says.slow(event.data.slow_seconds));
  return undefined;
}

/** What the service does not know, it shows as it came. */
function applicationLine({ event, data }: EventMessage): Pick<Entry, 'kind' | 'text'> {
  const shown = JSON.stringify(data) ?? '';
  return { kind: 'application', text: `${event} ${shown.length > shownData ? `${shown.slice(0, shownData)}…` : shown}` };
}
