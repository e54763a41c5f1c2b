import { Backoff } from '../backoff.ts';
import { Emitter, type Unsubscribe } from '../emitter.ts';
import type { SignalMessage, Streamer } from '../messages.ts';
import type { Room } from '../room.ts';
import { iceServers } from './broadcaster.ts';
import { Peer } from './peer.ts';

/**
 * - `idle`: nobody is live, or `close` was called.
 * - `connecting`: asked, and nothing has come yet.
 * - `live`: the stream flows.
 * - `reconnecting`: it did, and will again.
 * - `no_seat`: the streamer serves as many viewers as they can; it is asked again from time to time.
 */
export type WatcherState = 'idle' | 'connecting' | 'live' | 'reconnecting' | 'no_seat';

export interface WatcherOptions {
  /** Added to what the connection is made with, such as `iceTransportPolicy`. */
  configuration?: RTCConfiguration;
}

export interface WatcherEvents {
  state: WatcherState;
  /** What is to be played, and `undefined` when there is nothing any more. */
  stream: MediaStream | undefined;
}

/** What is received at the moment, of a session since its beginning. */
export interface WatcherStatistics {
  framesDecoded: number;
  framesDropped: number;
  bytesReceived: number;
  packetsLost: number;
  width: number;
  height: number;
  /** Seconds; `undefined` until it was measured. */
  roundTripTime: number | undefined;
  /** Whether the path is through a TURN server. */
  relayed: boolean;
}

/** How long an offer, or a connection that was lost, is waited for before a session is given up for another one. */
const patienceMs = 10_000;

/** How long a seat is waited for before it is asked for again: between one and two of these. */
const seatMs = 5_000;

/**
 * Gets the stream of a room's streamer directly, over WebRTC, whenever there is one, and keeps it through the losses of both
 * sides. The room must be joined as viewer or moderator.
 */
export class Watcher extends Emitter<WatcherEvents> {
  readonly #room: Room;
  readonly #options: WatcherOptions;
  readonly #backoff = new Backoff({ baseMs: 1_000, capMs: 15_000 });
  readonly #unsubscribe: Unsubscribe[];
  #state: WatcherState = 'idle';
  #stream: MediaStream | undefined;
  #peer: Peer | undefined;
  #member: string | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #closed = false;
  /** A page that goes gives its seat back, which would be kept for somebody who was only cut off. */
  readonly #goodbye = () => this.#pause();

  constructor(room: Room, options: WatcherOptions = {}) {
    super();
    this.#room = room;
    this.#options = options;
    this.#unsubscribe = [
      room.on('signal', (signal) => this.#hear(signal)),
      room.on('state', (streamer) => this.#streamerIs(streamer)),
      room.on('joined', () => this.#joined()),
      room.on('ice', (servers) => this.#peer?.setIceServers(iceServers(servers))),
    ];
    // Before the client, at the same event, lets go of the connection over which that is said.
    globalThis.addEventListener?.('pagehide', this.#goodbye, { capture: true });
    this.#member = room.member;
    this.#streamerIs(room.streamer);
  }

  get state(): WatcherState {
    return this.#state;
  }

  get stream(): MediaStream | undefined {
    return this.#stream;
  }

  /** The connection, for statistics of one's own. */
  get connection(): RTCPeerConnection | undefined {
    return this.#peer?.connection;
  }

  async statistics(): Promise<WatcherStatistics | undefined> {
    const report = await this.#peer?.connection.getStats();
    return report && summary(report);
  }

  /** Stops watching for good. */
  close(): void {
    this.#closed = true;
    this.#unsubscribe.forEach((unsubscribe) => unsubscribe());
    globalThis.removeEventListener?.('pagehide', this.#goodbye, { capture: true });
    this.#pause();
    this.endLoops({ forGood: true });
  }

  #pause(): void {
    this.#drop({ bye: true });
    this.#setState('idle');
  }

  #streamerIs({ state }: Streamer): void {
    if (state === 'live' && !this.#peer && this.#state === 'idle') this.#ask();
    // While they are away for a moment the stream may well go on: it does not come by way of the service.
    if (state === 'offline' || state === 'online') {
      this.#drop({ bye: state === 'online' });
      this.#setState('idle');
    }
  }

  /** After a reconnect we are somebody else to the streamer, and say so. */
  #joined(): void {
    const moved = this.#member !== undefined && this.#member !== this.#room.member;
    this.#member = this.#room.member;
    if (this.#peer && moved) this.#peer.say('request');
    else this.#streamerIs(this.#room.streamer); // a page that was hidden is back
  }

  #ask(): void {
    if (this.#closed) return;
    const session = crypto.randomUUID();
    const peer = new Peer({
      room: this.#room,
      session,
      to: 'streamer',
      polite: false,
      configuration: { ...this.#options.configuration, iceServers: iceServers(this.#room.iceServers) },
      onRefused: (code) => this.#refused(peer, code),
      onState: (state) => this.#connectionIs(peer, state),
    });
    this.#peer = peer;
    peer.connection.ontrack = ({ streams, track }) => this.#setStream(streams[0] ?? new MediaStream([track]));
    if (this.#state === 'idle') this.#setState('connecting');
    peer.say('request');
    this.#after(patienceMs, () => this.#askAgain());
  }

  #hear({ session, kind, data }: SignalMessage): void {
    if (session !== this.#peer?.session) return;
    if (kind !== 'bye') {
      this.#peer.hear(kind, data);
      return;
    }
    this.#drop({ bye: false });
    if ((data as { reason?: string } | undefined)?.reason === 'full') this.#waitForSeat();
    else if (this.#room.streamer.state === 'live') this.#askLater();
    else this.#setState('idle');
  }

  #connectionIs(peer: Peer, state: RTCPeerConnectionState): void {
    if (peer !== this.#peer) return;
    if (state === 'connected') {
      clearTimeout(this.#timer);
      this.#backoff.reset();
      this.#setState('live');
    } else if (this.#state === 'live' && (state === 'disconnected' || state === 'failed')) {
      this.#setState('reconnecting');
      this.#after(2 * patienceMs, () => this.#askAgain());
    }
    // The streamer may not have noticed, or not be able to offer a new path by itself.
    if (state === 'failed') peer.say('request');
  }

  #refused(peer: Peer, code: string): void {
    if (peer !== this.#peer) return;
    this.#drop({ bye: false });
    if (code === 'peer_limit') this.#waitForSeat();
    else this.#askLater();
  }

  #waitForSeat(): void {
    this.#setState('no_seat');
    this.#after(seatMs * (1 + Math.random()), () => this.#ask());
  }

  /** Gives the session up for another one. */
  #askAgain(): void {
    this.#drop({ bye: true });
    this.#askLater();
  }

  #askLater(): void {
    if (this.#state === 'live') this.#setState('reconnecting');
    this.#after(this.#backoff.next(), () => {
      if (this.#room.streamer.state === 'live') this.#ask();
      else this.#setState('idle');
    });
  }

  #after(ms: number, run: () => void): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(run, ms);
  }

  #drop(how: { bye: boolean }): void {
    clearTimeout(this.#timer);
    const peer = this.#peer;
    this.#peer = undefined;
    peer?.close(how);
    this.#setStream(undefined);
  }

  #setState(state: WatcherState): void {
    if (state === this.#state) return;
    this.#state = state;
    this.emit('state', state);
  }

  #setStream(stream: MediaStream | undefined): void {
    if (stream === this.#stream) return;
    this.#stream = stream;
    this.emit('stream', stream);
  }
}

/** What the reports say of the video, and of the path in use. */
function summary(report: RTCStatsReport): WatcherStatistics {
  const all = [...report.values()] as Record<string, unknown>[];
  const of = (test: (stats: Record<string, unknown>) => boolean) => all.find(test) ?? {};
  const number = (stats: Record<string, unknown>, name: string) => (typeof stats[name] === 'number' ? stats[name] : 0);
  const video = of(({ type, kind }) => type === 'inbound-rtp' && kind === 'video');
  const transport = of(({ type }) => type === 'transport');
  const pair = of(({ id }) => id !== undefined && id === transport['selectedCandidatePairId']);
  const ends = all.filter(({ id }) => id === pair['localCandidateId'] || id === pair['remoteCandidateId']);
  return {
    framesDecoded: number(video, 'framesDecoded'),
    framesDropped: number(video, 'framesDropped'),
    bytesReceived: number(video, 'bytesReceived'),
    packetsLost: number(video, 'packetsLost'),
    width: number(video, 'frameWidth'),
    height: number(video, 'frameHeight'),
    roundTripTime: pair['currentRoundTripTime'] as number | undefined,
    relayed: ends.some(({ candidateType }) => candidateType === 'relay'),
  };
}
