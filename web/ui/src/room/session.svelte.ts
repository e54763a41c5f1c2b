import {
  isEventOf,
  TallylightClient,
  type EventMessage,
  type JoinedMessage,
  type Role,
  type Room,
  type Status,
  type Streamer,
  type TallylightError,
  type TokenSource,
} from '@tallylight/client';
import { reasonWords } from '../words/problems.ts';
import { words } from '../words/words.ts';

export interface ChatLine {
  /** Its offset, which is its key: chat and system lines are events of one room. */
  offset: number;
  at: number;
  text: string;
  /** Absent for a line of the system. */
  from?: { name: string; role: Role };
}

/** More would slow the page down, and nobody scrolls that far. */
const keptLines = 300;

/** One room and the connection to it, as state that a page can show. */
export class RoomSession {
  status = $state.raw<Status>({ state: 'idle' });
  streamer = $state.raw<Streamer>({ state: 'offline' });
  viewers = $state(0);
  lines = $state.raw<ChatLine[]>([]);
  /** Why the room cannot be joined, if the server said so. */
  refused = $state.raw<TallylightError | undefined>();
  /** Whether the room was joined at least once. */
  joined = $state(false);
  /** Why the last broadcast ended, when we saw it end and no other began. */
  ended = $state.raw<{ title: string; reason: string } | undefined>();
  chatLimit = $state(500);

  readonly client: TallylightClient;
  readonly #name: string;
  readonly #role: Role;
  room: Room;

  constructor(name: string, role: Role, token: TokenSource) {
    this.#name = name;
    this.#role = role;
    this.client = new TallylightClient({ url: location.origin, token });
    this.client.on('status', (status) => this.#setStatus(status));
    this.room = this.#join();
    void this.client.connect().catch(() => undefined);
  }

  /** Tries again after the server said to stay away or refused the room. */
  retry(): void {
    if (this.refused) {
      this.refused = undefined;
      this.room = this.#join();
    }
    void this.client.connect().catch(() => undefined);
  }

  close(): void {
    this.client.close();
  }

  #join(): Room {
    const room = this.client.join(this.#name, { role: this.#role });
    room.on('joined', (joined) => this.#setJoined(joined));
    room.on('state', (streamer) => (this.streamer = streamer));
    room.on('viewers', ({ connections }) => (this.viewers = connections));
    room.on('event', (event) => this.#addEvent(event));
    room.on('refused', (error) => (this.refused = error));
    return room;
  }

  #setStatus(status: Status): void {
    this.status = status;
    if (status.state === 'connected') this.chatLimit = status.welcome.limits.chat_chars ?? 500;
  }

  #setJoined(joined: JoinedMessage): void {
    this.joined = true;
    if (joined.recovered) return;
    this.ended = undefined;
    this.lines = (joined.chat ?? []).flatMap(asLine);
  }

  #addEvent(event: EventMessage): void {
    if (isEventOf(event, 'live.started')) this.ended = undefined;
    if (isEventOf(event, 'live.ended')) {
      this.ended = { title: event.data.broadcast.title ?? '', reason: event.data.reason ?? '' };
    }
    if (isEventOf(event, 'chat.deleted')) {
      this.lines = this.lines.filter(({ offset }) => offset !== event.data.offset);
    }
    this.lines = [...this.lines, ...asLine(event)].slice(-keptLines);
  }
}

function asLine(event: EventMessage): ChatLine[] {
  const { offset, at, from } = event;
  if (isEventOf(event, 'chat')) {
    if (event.data.deleted === true) return [];
    return [{ offset, at, text: event.data.text, from: from ?? { name: words.shared.product, role: 'moderator' } }];
  }
  if (isEventOf(event, 'live.started')) {
    const { title } = event.data.broadcast;
    return [{ offset, at, text: words.chat.onAir(title ?? '') }];
  }
  if (isEventOf(event, 'live.ended')) {
    return [{ offset, at, text: words.chat.offAir(reasonWords(event.data.reason)) }];
  }
  return [];
}
