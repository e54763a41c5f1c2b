import { isEventOf, type EventMessage, type JoinedMessage } from '@tallylight/client';
import { words } from '../../../words/words.ts';
import { entryOf, type Entry } from './entries.ts';

/** More would make the page slow, and nobody reads that far back: what was done is in the audit. */
const kept = 300;

/** What happened in a room, newest first, in bounded memory. */
export class Log {
  entries: Entry[] = [];
  readonly #kept: number;
  #joins = 0;

  constructor(limit = kept) {
    this.#kept = limit;
  }

  /** The room was joined: for the first time, again with all that was missed, or again with a gap. */
  join({ recovered, chat = [], epoch, offset }: JoinedMessage, now: number): void {
    const again = this.#joins++ > 0;
    if (recovered) return;
    const known = new Set(this.entries.map(({ key }) => key));
    const past = chat.map(entryOf).filter(({ key }) => !known.has(key));
    const gap: Entry[] = again ? [{ key: `gap/${epoch}/${offset}`, at: now, kind: 'broadcast', text: words.admin.room.events.gap }] : [];
    this.#put([...gap.filter(({ key }) => !known.has(key)), ...past.reverse()]);
  }

  add(event: EventMessage): void {
    if (isEventOf(event, 'chat.deleted')) this.#delete(event);
    this.#put([entryOf(event)]);
  }

  #delete({ epoch, data }: EventMessage & { data: { offset: number } }): void {
    const key = `${epoch}/${data.offset}`;
    this.entries = this.entries.map((entry) => (entry.key === key ? { ...entry, text: '', deleted: true } : entry));
  }

  #put(newest: Entry[]): void {
    this.entries = [...newest, ...this.entries].slice(0, this.#kept);
  }
}
