import { Emitter, type Unsubscribe } from '../emitter.ts';
import type { IceServer, SignalMessage, User } from '../messages.ts';
import type { Room } from '../room.ts';
import { Peer } from './peer.ts';

export interface BroadcasterOptions {
  /** How many viewers are served at most; each is a copy of the stream that leaves this machine. The service has a limit too. */
  maxViewers?: number;
  /** Bits a second that one viewer gets of one video track at most. */
  maxBitrate?: number;
  /** Added to what every connection is made with, such as `iceTransportPolicy`. */
  configuration?: RTCConfiguration;
}

/** A viewer who gets the stream from us directly. */
export interface ServedViewer {
  session: string;
  user: User;
  state: RTCPeerConnectionState;
}

export interface BroadcasterEvents {
  /** Who is served, or how well, has changed. */
  viewers: ServedViewer[];
}

/**
 * Sends a `MediaStream` to the viewers of a room who ask for it, each over a WebRTC connection of their own, and keeps these
 * connections through the losses of both sides. The room must be joined as streamer; being live is no condition.
 */
export class Broadcaster extends Emitter<BroadcasterEvents> {
  readonly #room: Room;
  readonly #options: BroadcasterOptions;
  readonly #viewers = new Map<string, { peer: Peer; user: User }>();
  readonly #unsubscribe: Unsubscribe[];
  #stream: MediaStream;

  constructor(room: Room, stream: MediaStream, options: BroadcasterOptions = {}) {
    super();
    this.#room = room;
    this.#stream = stream;
    this.#options = options;
    this.#unsubscribe = [
      room.on('signal', (signal) => this.#hear(signal)),
      room.on('ice', (servers) => this.#viewers.forEach(({ peer }) => peer.setIceServers(iceServers(servers)))),
    ];
  }

  get viewers(): ServedViewer[] {
    return [...this.#viewers].map(([session, { peer, user }]) => ({ session, user, state: peer.connection.connectionState }));
  }

  /** The connections, for statistics. */
  get connections(): RTCPeerConnection[] {
    return [...this.#viewers.values()].map(({ peer }) => peer.connection);
  }

  /** Sends another stream from now on, to everybody. The old one's tracks are not stopped. */
  async replaceStream(stream: MediaStream): Promise<void> {
    this.#stream = stream;
    await Promise.all([...this.#viewers.values()].map(({ peer }) => this.#feed(peer)));
  }

  /** Ends all connections, and serves nobody any more. The stream's tracks are not stopped. */
  close(): void {
    this.#unsubscribe.forEach((unsubscribe) => unsubscribe());
    for (const session of [...this.#viewers.keys()]) this.#end(session, { bye: true });
    this.endLoops({ forGood: true });
  }

  #hear({ session, from, user, kind, data }: SignalMessage): void {
    const known = this.#viewers.get(session);
    if (kind === 'bye') {
      this.#end(session, { bye: false });
    } else if (known) {
      known.peer.to = from;
      if (kind !== 'request') known.peer.hear(kind, data);
      else if (!known.peer.connected) known.peer.restart();
    } else if (kind === 'request') {
      this.#begin(session, from, user);
    }
  }

  #begin(session: string, to: string, user: User): void {
    if (this.#viewers.size >= (this.#options.maxViewers ?? Infinity)) {
      this.#room.signal(to, session, 'bye', { reason: 'full' }).catch(() => undefined);
      return;
    }
    const peer = new Peer({
      room: this.#room,
      session,
      to,
      polite: true,
      configuration: { ...this.#options.configuration, iceServers: iceServers(this.#room.iceServers) },
      onRefused: () => this.#end(session, { bye: true }),
      onState: () => this.#changed(),
    });
    this.#viewers.set(session, { peer, user });
    void this.#feed(peer);
    this.#changed();
  }

  /** Gives a connection the tracks of the stream: in place of those it has, where there are any of the kind. */
  async #feed(peer: Peer): Promise<void> {
    const tracks = this.#stream.getTracks();
    for (const transceiver of peer.connection.getTransceivers()) {
      const kind = transceiver.receiver.track.kind;
      const at = tracks.findIndex((track) => track.kind === kind);
      await transceiver.sender.replaceTrack(at < 0 ? null : tracks.splice(at, 1)[0]!);
    }
    for (const track of tracks) {
      const { sender } = peer.connection.addTransceiver(track, { direction: 'sendonly', streams: [this.#stream] });
      await this.#bound(sender);
    }
  }

  async #bound(sender: RTCRtpSender): Promise<void> {
    const { maxBitrate } = this.#options;
    if (maxBitrate === undefined || sender.track?.kind !== 'video') return;
    const parameters = sender.getParameters();
    parameters.encodings.forEach((encoding) => (encoding.maxBitrate = maxBitrate));
    await sender.setParameters(parameters);
  }

  #end(session: string, how: { bye: boolean }): void {
    const known = this.#viewers.get(session);
    if (!known) return;
    this.#viewers.delete(session);
    known.peer.close(how);
    this.#changed();
  }

  #changed(): void {
    this.emit('viewers', this.viewers);
  }
}

/** The servers as WebRTC takes them, which is what they are. */
export function iceServers(servers: IceServer[]): RTCIceServer[] {
  return servers.map(({ urls, username, credential }) => ({
    urls,
    ...(username !== undefined && { username }),
    ...(credential !== undefined && { credential }),
  }));
}
