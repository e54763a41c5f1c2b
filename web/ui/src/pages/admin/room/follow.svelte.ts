import {
  isEventOf,
  TallylightClient,
  type EventMessage,
  type Room,
  type Status,
  type StreamerStateName,
  type Streamer,
  type TallylightError,
} from '@tallylight/client';
import type { Entry } from './entries.ts';
import { Log } from './log.ts';

/** What happens in a room, over a connection of its own: as a moderator, who does not count as a viewer. */
export class Follow {
  status = $state.raw<Status>({ state: 'idle' });
  streamer = $state.raw<Streamer>({ state: 'offline' });
  viewers = $state(0);
  slow = $state(0);
  entries = $state.raw<Entry[]>([]);
  /** Whether the room was joined at least once: before that, nothing of it is known. */
  joined = $state(false);
  /** Why the room cannot be joined, if the server said so. */
  refused = $state.raw<TallylightError | undefined>();
  /** Called when somebody was muted or banned, or is not any more. */
  onSanction: (() => void) | undefined;
  /** Called when the room was joined, for the first time or again. */
  onJoined: (() => void) | undefined;

  readonly #client: TallylightClient;
  readonly #log = new Log();
  readonly #name: string;
  #room: Room;

  constructor(name: string, token: string) {
    this.#name = name;
    this.#client = new TallylightClient({ url: location.origin, token });
    this.#client.on('status', (status) => (this.status = status));
    this.#room = this.#join();
    this.#connect();
  }

  /** The room, while it is joined. */
  get room(): Room | undefined {
    return this.joined && this.status.state === 'connected' ? this.#room : undefined;
  }

  /** What is known of the streamer; undefined while nothing is. */
  get state(): StreamerStateName | undefined {
    return this.joined && this.status.state === 'connected' ? this.streamer.state : undefined;
  }

  /** The id that the server knows us by. */
  get ourselves(): string | undefined {
    return this.status.state === 'connected' ? this.status.welcome.user.id : undefined;
  }

  /** The server's time. */
  now(): number {
    return this.#client.now();
  }

  /** Tries again after the server said no. */
  retry(): void {
    if (this.refused) {
      this.refused = undefined;
      this.#room = this.#join();
    }
    this.#connect();
  }

  close(): void {
    this.#client.close();
  }

  #connect(): void {
    void this.#client.connect().catch(() => undefined);
  }

  #join(): Room {
    const room = this.#client.join(this.#name, { role: 'moderator' });
    room.on('joined', (joined) => {
      this.#log.join(joined, this.now());
      this.entries = this.#log.entries;
      this.joined = true;
      this.onJoined?.();
    });
    room.on('state', (streamer) => (this.streamer = streamer));
    room.on('viewers', ({ connections }) => (this.viewers = connections));
    room.on('slow', (seconds) => (this.slow = seconds));
    room.on('event', (event) => this.#take(event));
    room.on('refused', (error) => (this.refused = error));
    return room;
  }

  #take(event: EventMessage): void {
    this.#log.add(event);
    this.entries = this.#log.entries;
    if (isEventOf(event, 'member.muted') || isEventOf(event, 'member.unmuted') || isEventOf(event, 'member.banned')) this.onSanction?.();
  }
}
