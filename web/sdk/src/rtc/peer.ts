import { Outbox } from './outbox.ts';
import type { Room } from '../room.ts';
import type { SignalKind } from '../messages.ts';

export interface PeerOptions {
  room: Room;
  session: string;
  /** Where the other side is: a member's id, or `streamer`. */
  to: string;
  /** Gives way when both sides offer at the same time. The protocol says that the streamer does. */
  polite: boolean;
  configuration: RTCConfiguration;
  /** A signal was refused for good: the session is over. */
  onRefused: (code: string) => void;
  /** The connection's state has changed. */
  onState: (state: RTCPeerConnectionState) => void;
}

/** How long a connection may be `disconnected`, which often mends itself, before its path is looked for anew. */
const patienceMs = 2_000;

/**
 * One WebRTC connection with one other member, over whatever signalling there is: the "perfect negotiation" of the WebRTC
 * specification (§10.7), which both sides use. It says nothing of what is sent, nor of when to give up.
 */
export class Peer {
  readonly connection: RTCPeerConnection;
  readonly session: string;

  readonly #options: PeerOptions;
  readonly #outbox: Outbox;
  /** What the other side said, taken one after the other. */
  #taking: Promise<void> = Promise.resolve();
  #offering = false;
  #ignoring = false;
  /** Candidates that came before the description they belong to. */
  #early: RTCIceCandidateInit[] = [];
  #patience: ReturnType<typeof setTimeout> | undefined;

  constructor(options: PeerOptions) {
    this.#options = options;
    this.session = options.session;
    this.#outbox = new Outbox({ room: options.room, session: options.session, to: options.to, onRefused: options.onRefused });
    this.connection = new RTCPeerConnection(options.configuration);
    this.connection.onnegotiationneeded = () => void this.#offer();
    this.connection.onicecandidate = ({ candidate }) => {
      if (candidate) this.say('candidate', candidate.toJSON());
    };
    this.connection.onconnectionstatechange = () => this.#stateChanged();
  }

  get closed(): boolean {
    return this.connection.connectionState === 'closed';
  }

  /** Whether media flows, or is about to. */
  get connected(): boolean {
    return this.connection.connectionState === 'connected';
  }

  /** The other side is a member under another id now, as after a reconnect. */
  set to(member: string) {
    this.#outbox.to = member;
  }

  /** Says something to the other side, after what was said before, and as often as it takes while they are away. */
  say(kind: SignalKind, data?: unknown): void {
    this.#outbox.add(kind, data);
  }

  /** Takes what the other side says. */
  hear(kind: SignalKind, data: unknown): void {
    this.#taking = this.#taking.then(() => this.#take(kind, data)).catch(() => undefined);
  }

  /** Uses these servers from the next look for a path on. */
  setIceServers(servers: RTCIceServer[]): void {
    if (!this.closed) this.connection.setConfiguration({ ...this.connection.getConfiguration(), iceServers: servers });
  }

  /** Looks for a new path, as when the network has changed. Media that still flows is not disturbed. */
  restart(): void {
    if (!this.closed) this.connection.restartIce();
  }

  /** Ends the connection here; with `bye` on the other side as well. */
  close({ bye }: { bye: boolean }): void {
    clearTimeout(this.#patience);
    this.connection.onconnectionstatechange = this.connection.onnegotiationneeded = this.connection.onicecandidate = null;
    this.connection.close();
    this.#outbox.close({ bye });
  }

  async #offer(): Promise<void> {
    this.#offering = true;
    try {
      await this.connection.setLocalDescription();
      this.say('offer', this.connection.localDescription?.toJSON());
    } catch {
      // The connection was closed meanwhile, or an offer of the other side came first: then nothing is lost.
    } finally {
      this.#offering = false;
    }
  }

  async #take(kind: SignalKind, data: unknown): Promise<void> {
    if (this.closed) return;
    if (kind === 'candidate') await this.#takeCandidate(data as RTCIceCandidateInit);
    else if (kind === 'offer' || kind === 'answer') await this.#takeDescription(kind, data as { sdp: string });
  }

  async #takeDescription(type: 'offer' | 'answer', { sdp }: { sdp: string }): Promise<void> {
    const glare = type === 'offer' && (this.#offering || this.connection.signalingState !== 'stable');
    this.#ignoring = glare && !this.#options.polite;
    if (this.#ignoring) return;
    if (type === 'answer' && this.connection.signalingState !== 'have-local-offer') return; // to an offer that was sent twice
    await this.connection.setRemoteDescription({ type, sdp });
    for (const candidate of this.#early.splice(0)) await this.#addCandidate(candidate);
    if (type === 'answer') return;
    await this.connection.setLocalDescription();
    this.say('answer', this.connection.localDescription?.toJSON());
  }

  async #takeCandidate(candidate: RTCIceCandidateInit): Promise<void> {
    if (this.connection.remoteDescription) await this.#addCandidate(candidate);
    else this.#early.push(candidate);
  }

  async #addCandidate(candidate: RTCIceCandidateInit): Promise<void> {
    try {
      await this.connection.addIceCandidate(candidate);
    } catch {
      // Of an offer that was ignored, or of a path that is no more: neither is needed.
    }
  }

  #stateChanged(): void {
    const state = this.connection.connectionState;
    clearTimeout(this.#patience);
    if (state === 'failed') this.restart();
    if (state === 'disconnected') this.#patience = setTimeout(() => this.restart(), patienceMs);
    this.#options.onState(state);
  }
}
