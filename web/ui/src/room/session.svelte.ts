import {
  isEventOf,
  TallylightClient,
  type EventMessage,
  type JoinedMessage,
  type Moderation,
  type Role,
  type Room,
  type Status,
  type Streamer,
  type TallylightError,
  type TokenSource,
  type User,
} from '@tallylight/client';
import { linesOf, type ChatLine } from './lines.ts';
import { nextLineAt, type Pace } from './pace.ts';
import { Reacting } from './reacting.svelte.ts';
import { rightsIn, type Rights } from './rights.ts';
import { isOver, sentenceIn, type Term } from './terms.ts';

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
  /** Who we are, once the server has said so. */
  user = $state.raw<User | undefined>();
  /** How many seconds everybody waits between two lines of theirs; 0: not at all. */
  slow = $state(0);
  /** That we are muted, as far as we were told; it may be over. */
  muted = $state.raw<Term | undefined>();
  #pace = $state.raw<Pace>({});

  readonly client: TallylightClient;
  readonly rights: Rights;
  /** Whether the page offers what moderators do. */
  readonly moderates: boolean;
  readonly reacting: Reacting;
  readonly #name: string;
  readonly #role: Role;
  readonly #names = new Map<string, string>();
  room: Room;

  /** `token` is the one to begin with; `source` gives a client that may have to get others whatever is the newest. */
  constructor(name: string, role: Role, token: string, source: TokenSource = token) {
    this.#name = name;
    this.#role = role;
    this.rights = rightsIn(token, name);
    this.moderates = role !== 'viewer' || this.rights.moderates;
    this.client = new TallylightClient({ url: location.origin, token: source });
    this.client.on('status', (status) => this.#setStatus(status));
    this.reacting = new Reacting((kind) => this.#heedMute(this.room.react(kind)));
    this.room = this.#join();
    void this.client.connect().catch(() => undefined);
  }

  /** Whether the room is joined over a connection that stands. */
  get ready(): boolean {
    return this.joined && this.status.state === 'connected' && !this.refused;
  }

  /** When we may say the next line, in Unix milliseconds of this machine; 0: at once. */
  get nextLineAt(): number {
    return nextLineAt(this.#pace, this.moderates ? 0 : this.slow);
  }

  /** The server's time when this machine has the other. */
  serverTime(now: number): number {
    return now + this.client.now() - Date.now();
  }

  /** The mute that is in force when this machine has that time, as far as we were told. */
  mutedAt(now: number): Term | undefined {
    return this.muted && !isOver(this.muted, this.serverTime(now)) ? this.muted : undefined;
  }

  /** Says a line. Rejects with what the server said, of which a mute and a wait are known here from then on. */
  async chat(text: string): Promise<void> {
    try {
      await this.#heedMute(this.room.chat(text));
      this.#pace = { saidAt: Date.now() };
    } catch (error) {
      const wait = (error as Partial<TallylightError>).retryAfterMs;
      if (wait !== undefined) this.#pace = { ...this.#pace, notBefore: Date.now() + wait };
      throw error;
    }
  }

  moderate(act: Moderation): Promise<void> {
    return this.room.moderate(act);
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
    room.on('slow', (seconds) => (this.slow = seconds));
    room.on('reactions', (counts) => this.reacting.take(counts));
    room.on('event', (event) => this.#addEvent(event));
    room.on('refused', (error) => (this.refused = error));
    return room;
  }

  async #heedMute(said: Promise<void>): Promise<void> {
    try {
      await said;
      this.muted = undefined;
    } catch (error) {
      const sentence = sentenceIn(error);
      if (sentence?.what === 'muted') this.muted = sentence;
      throw error;
    }
  }

  #setStatus(status: Status): void {
    this.status = status;
    if (status.state !== 'connected') return;
    this.chatLimit = status.welcome.limits.chat_chars ?? 500;
    this.user = status.welcome.user;
  }

  #setJoined(joined: JoinedMessage): void {
    this.joined = true;
    this.slow = joined.slow_seconds ?? 0;
    if (joined.recovered) return;
    this.ended = undefined;
    this.lines = (joined.chat ?? []).flatMap((event) => this.#linesOf(event));
  }

  #addEvent(event: EventMessage): void {
    if (isEventOf(event, 'live.started')) this.ended = undefined;
    if (isEventOf(event, 'live.ended')) {
      this.ended = { title: event.data.broadcast.title ?? '', reason: event.data.reason ?? '' };
    }
    if (isEventOf(event, 'chat.deleted')) {
      this.lines = this.lines.filter(({ offset }) => offset !== event.data.offset);
    }
    if (isEventOf(event, 'member.muted') && event.data.user.id === this.user?.id) {
      const { until, reason: why } = event.data;
      this.muted = { ...(until !== undefined && { until }), ...(why !== undefined && { why }) };
    }
    if (isEventOf(event, 'member.unmuted') && event.data.user.id === this.user?.id) this.muted = undefined;
    this.lines = [...this.lines, ...this.#linesOf(event)].slice(-keptLines);
  }

  #linesOf(event: EventMessage): ChatLine[] {
    if (event.from) this.#names.set(event.from.id, event.from.name);
    return linesOf(event, (id) => this.#nameOf(id));
  }

  /** As they were called when they last spoke, as far as we know. */
  #nameOf(id: string): string {
    return this.#names.get(id) ?? (id === this.user?.id ? this.user.name : id);
  }
}
