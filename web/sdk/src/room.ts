import { Emitter } from './emitter.ts';
import { TallylightError } from './error.ts';
import type { Link } from './link.ts';
import {
  isEventOf,
  isLiveEvent,
  type Broadcast,
  type BroadcastDetails,
  type ClientMessage,
  type EventMessage,
  type EventOf,
  type IceServer,
  type JoinedMessage,
  type Member,
  type Moderation,
  type OkMessage,
  type Position,
  type ReactionsMessage,
  type Role,
  type SignalKind,
  type SignalMessage,
  type Streamer,
  type ViewerCount,
  type ViewersMessage,
} from './messages.ts';
import { PositionTracker } from './position.ts';
import { streamerAfter } from './streamer.ts';
import { VersionTracker } from './versions.ts';

export interface RoomEvents {
  /**
   * The room was joined, for the first time or again. With `recovered` the events missed follow one by one; without,
   * what is in this message replaces all that was known, chat included.
   */
  joined: JoinedMessage;
  /** The streamer's state or broadcast changed. */
  state: Streamer;
  /** Any event of the room, in order and without repeats; those with a listener of their own too. */
  event: EventMessage;
  /** A line of chat. One that was deleted before it reached us comes as `event` alone. */
  chat: EventOf<'chat'>;
  /** A line of chat is to be shown no more: the one at `data.offset`. */
  deleted: EventOf<'chat.deleted'>;
  /** How many seconds a user must wait between two lines of chat now; 0: not at all. */
  slow: number;
  viewers: ViewerCount;
  /** How many have reacted, ourselves included, since the last of these: at most one a second, and none while nobody does. */
  reactions: Record<string, number>;
  /** Another member says something to us alone: `Broadcaster` and `Watcher` listen to it. */
  signal: SignalMessage;
  /** The STUN and TURN servers to use from now on. */
  ice: IceServer[];
  /** The server refused the join for good. The room is left. */
  refused: TallylightError;
}

export interface StartOptions extends BroadcastDetails {
  /** How long the streamer may be gone before the broadcast ends (0 to 1,800,000; the server's default is 15,000). */
  window_ms?: number;
}

/** What a room needs of its client. */
export interface RoomHost {
  request<M extends ClientMessage>(message: M): Promise<OkMessage>;
  joined(room: Room): void;
  leave(room: Room): Promise<void>;
}

/**
 * A room that the client has joined or is about to join. It outlives connections: after each reconnect it joins
 * again from the last event seen. A streamer who comes back inside the window resumes the broadcast by that.
 */
export class Room extends Emitter<RoomEvents> {
  readonly name: string;
  readonly role: Role;
  /** Resolves at the first join, rejects when it is refused. */
  readonly ready: Promise<JoinedMessage>;

  readonly #host: RoomHost;
  readonly #position = new PositionTracker();
  readonly #versions = new VersionTracker();
  #settleReady!: { resolve: (joined: JoinedMessage) => void; reject: (error: TallylightError) => void };
  /** The link whose messages count: while a node is drained there are two. */
  #link: Link | undefined;
  /** The link over which a join is under way. */
  #entering: Link | undefined;
  #streamer: Streamer = { state: 'offline' };
  #viewers: ViewerCount = { connections: 0 };
  #slow = 0;
  #member: string | undefined;
  #iceServers: IceServer[] = [];

  /** For the client only: use `TallylightClient.join`. */
  constructor(host: RoomHost, name: string, role: Role) {
    super();
    this.#host = host;
    this.name = name;
    this.role = role;
    this.ready = new Promise((resolve, reject) => {
      this.#settleReady = { resolve, reject };
    });
    // The same is told by events: nobody has to wait for the promise.
    this.ready.catch(() => undefined);
  }

  get streamer(): Streamer {
    return this.#streamer;
  }

  get viewers(): ViewerCount {
    return this.#viewers;
  }

  /** How many seconds a user must wait between two lines of chat; 0: not at all. */
  get slowSeconds(): number {
    return this.#slow;
  }

  /** The last event seen. */
  get position(): Position | undefined {
    return this.#position.known;
  }

  /** The id of our membership, which other members know us by; another one after each reconnect. */
  get member(): string | undefined {
    return this.#member;
  }

  /** The STUN and TURN servers that peers are to use now. */
  get iceServers(): IceServer[] {
    return this.#iceServers;
  }

  /** Goes live. Live already, it answers with the running broadcast: it may be repeated safely. */
  async start(options: StartOptions = {}): Promise<Broadcast> {
    const reply = await this.#host.request({ type: 'live.start', room: this.name, ...options });
    if (!reply.broadcast) throw new TallylightError('internal', 'the answer to live.start has no broadcast');
    return reply.broadcast;
  }

  /** Changes what is said about the broadcast; what is left out stays. */
  async update(details: BroadcastDetails): Promise<void> {
    await this.#host.request({ type: 'live.update', room: this.name, ...details });
  }

  /** Ends the broadcast. It may be repeated safely. */
  async end(): Promise<void> {
    await this.#host.request({ type: 'live.end', room: this.name });
  }

  /** Says something to the room, and resolves when it has its place there. */
  async chat(text: string): Promise<void> {
    await this.publish('chat', { text });
  }

  /**
   * Reacts: `kind` is a word or an emoji of at most 32 bytes, and a room takes 16 different ones at a time. The room is told
   * within two seconds, with all others that react, by the event `reactions`.
   */
  async react(kind: string): Promise<void> {
    await this.#host.request({ type: 'publish', room: this.name, event: 'reaction', data: { kind } });
  }

  /** Publishes `chat`, or an event of the application whose name begins with `x.`. */
  async publish(event: string, data: unknown): Promise<Position> {
    const reply = await this.#host.request({ type: 'publish', room: this.name, event, data });
    return { epoch: reply.epoch ?? '', offset: reply.offset ?? 0 };
  }

  /**
   * Acts upon a user, or upon a line of chat; who may is said in the token. Resolves when it is in force: on all nodes it
   * is within a second.
   */
  async moderate(act: Moderation): Promise<void> {
    await this.#host.request({ type: 'moderate', room: this.name, ...act });
  }

  /**
   * A page of the room's members; `next` goes on as `after`. `partial` says that a node did not answer in time: somebody may be
   * missing.
   */
  async members(page: { first?: number; after?: string } = {}): Promise<{ members: Member[]; next?: string; partial: boolean }> {
    const { members = [], next, partial = false } = await this.#host.request({ type: 'members', room: this.name, ...page });
    return { members, partial, ...(next !== undefined && { next }) };
  }

  /**
   * Says something to one other member, and resolves when it is in the queue of their socket. Rejects with `peer_gone`,
   * `peer_limit`, `forbidden` or `too_large`, and with what any request may be rejected with.
   */
  async signal(to: string, session: string, kind: SignalKind, data?: unknown): Promise<void> {
    await this.#host.request({ type: 'signal', room: this.name, to, session, kind, ...(data !== undefined && { data }) });
  }

  /** Leaves for good, and resolves when the server knows. A streamer's broadcast ends by it. */
  leave(): Promise<void> {
    return this.#host.leave(this);
  }

  // ---- for the client only

  /** Whether the room is joined over this link. */
  isIn(link: Link | undefined): boolean {
    return link !== undefined && this.#link === link;
  }

  /** Joins over a link, from where the last one ended. Rejects as the request does. */
  async enter(link: Link): Promise<void> {
    this.#entering = link;
    const since = this.#position.known;
    await link.request({ type: 'join', room: this.name, role: this.role, ...(since && { since }) });
  }

  /** Takes a message that names this room. */
  receive(message: JoinedMessage | EventMessage | ViewersMessage | ReactionsMessage | SignalMessage, link: Link): void {
    if (message.type === 'joined') {
      this.#receiveJoined(message, link);
      return;
    }
    // Signals are for us alone, and have no order with the rest: those to the place that we are leaving count as well.
    if (message.type === 'signal') this.emit('signal', message);
    if (link !== this.#link || message.type === 'signal') return;
    if (message.type === 'event') this.#receiveEvent(message);
    else if (message.type === 'viewers') this.#setViewers({ connections: message.connections });
    else this.emit('reactions', message.counts);
  }

  setIceServers(servers: IceServer[]): void {
    this.#iceServers = servers;
    this.emit('ice', servers);
  }

  refuse(error: TallylightError): void {
    this.#settleReady.reject(error);
    this.emit('refused', error);
    this.endLoops({ forGood: true });
  }

  override endLoops(options?: { forGood?: boolean }): void {
    super.endLoops(options);
  }

  #receiveJoined(joined: JoinedMessage, link: Link): void {
    if (link !== this.#link && link !== this.#entering) return;
    this.#link = link;
    this.#entering = undefined;
    this.#member = joined.member;
    this.setIceServers(joined.ice_servers ?? []);
    this.#setSlow(joined.slow_seconds ?? 0);
    // The node we come from may have been ahead of this one: then the snapshot is older than what we know.
    const known = this.#position.known;
    const behind = joined.recovered && known?.epoch === joined.epoch && joined.offset < known.offset;
    if (!joined.recovered) this.#position.reset(joined);
    this.#host.joined(this);
    this.emit('joined', joined);
    for (const event of joined.events) this.#receiveEvent(event);
    if (!behind) this.#takeSnapshot(joined);
    this.#settleReady.resolve(joined);
  }

  #takeSnapshot(joined: JoinedMessage): void {
    this.#position.reset(joined);
    if (joined.streamer.broadcast) this.#versions.learn(joined.streamer.broadcast);
    this.#setStreamer(joined.streamer);
    this.#setViewers(joined.viewers);
  }

  #receiveEvent(event: EventMessage): void {
    if (!this.#position.advance(event)) return;
    if (isLiveEvent(event) && !this.#versions.advance(event.data.broadcast)) return;
    this.#setStreamer(streamerAfter(this.#streamer, event));
    this.emit('event', event);
    if (isEventOf(event, 'chat') && event.data.deleted !== true) this.emit('chat', event);
    if (isEventOf(event, 'chat.deleted')) this.emit('deleted', event);
    if (isEventOf(event, 'room.updated')) this.#setSlow(event.data.slow_seconds);
  }

  #setSlow(seconds: number): void {
    if (seconds === this.#slow) return;
    this.#slow = seconds;
    this.emit('slow', seconds);
  }

  #setStreamer(streamer: Streamer): void {
    if (streamer === this.#streamer) return;
    this.#streamer = streamer;
    this.emit('state', streamer);
  }

  #setViewers(viewers: ViewerCount): void {
    this.#viewers = viewers;
    this.emit('viewers', viewers);
  }
}
