import { Broadcaster, type Room, type ServedViewer } from '@tallylight/client';
import { words } from '../../words/words.ts';
import type { Choice } from './choice.ts';
import { Devices } from './devices.svelte.ts';
import { isNamed, openSource, sourceProblem, type Opened, type Source } from './sources.ts';

const text = words.studio.picture;

/** What one viewer gets at most: 720p that looks well, from a home line that serves several. */
const maxBitrate = 2_500_000;

/** The picture and sound of a streamer: seen by themselves as soon as there is one, by viewers while it is on air. */
export class Sending {
  /** What is shown. */
  opened = $state.raw<Opened | undefined>();
  /** What is being started. */
  pending = $state<Source | undefined>();
  problem = $state('');
  muted = $state(false);
  hidden = $state(false);
  viewers = $state.raw<ServedViewer[]>([]);
  readonly devices = new Devices();

  readonly #room: () => Room;
  #broadcaster: Broadcaster | undefined;
  #onAir = false;
  /** Of the newest choice. */
  #turn = 0;

  /** The room is asked for when viewers are to get something: after a refusal it is another one. */
  constructor(room: () => Room) {
    this.#room = room;
  }

  /**
   * Shows another source, or the same with other devices. A browser may ask whether that is allowed, for as long as it likes:
   * until then something else can be chosen, and the newest choice counts. Never rejects.
   */
  async choose(source: Source): Promise<void> {
    const turn = ++this.#turn;
    this.pending = source;
    this.problem = '';
    try {
      const opened = await this.#open(source);
      if (turn === this.#turn) await this.#show(opened);
      else opened.close();
    } catch (error) {
      if (turn === this.#turn) this.problem = sourceProblem(error);
    }
    if (turn === this.#turn) this.pending = undefined;
    void this.devices.look();
  }

  /** Chooses devices for now and later. */
  async use(change: Partial<Choice>): Promise<void> {
    this.devices.choose(change);
    const source = this.opened?.source;
    // Which screen is shown was chosen in the browser, and would be asked for again.
    if (source === 'camera') await this.choose(source);
  }

  /** Whether viewers get what there is. */
  air(on: boolean): void {
    this.#onAir = on;
    this.#serve();
  }

  mute(muted: boolean): void {
    this.muted = muted;
    this.#apply();
  }

  hide(hidden: boolean): void {
    this.hidden = hidden;
    this.#apply();
  }

  off(): void {
    this.#turn++;
    this.pending = undefined;
    this.#drop();
  }

  close(): void {
    this.off();
    this.devices.close();
  }

  async #open(source: Source): Promise<Opened> {
    try {
      return await openSource(source, this.devices.choice);
    } catch (error) {
      // A phone can use one of its cameras at a time.
      if (!this.opened || !isNamed(error, 'NotReadableError')) throw error;
      this.#drop();
      return openSource(source, this.devices.choice);
    }
  }

  #drop(): void {
    this.opened?.close();
    this.opened = undefined;
    this.#serve();
  }

  async #show(next: Opened): Promise<void> {
    const old = this.opened;
    this.opened = next;
    if (next.source !== old?.source) this.hidden = false;
    this.#apply();
    this.#watchEnds(next);
    await this.#broadcaster?.replaceStream(next.stream);
    this.#serve();
    old?.close();
  }

  /** A screen is no longer shared when the browser's own button says so; a camera is gone when its cable is. */
  #watchEnds(opened: Opened): void {
    const isCamera = opened.source === 'camera';
    opened.stream.getVideoTracks()[0]?.addEventListener('ended', () => {
      if (opened !== this.opened) return;
      this.off();
      if (isCamera) this.problem = text.lost;
    });
    opened.microphone?.addEventListener('ended', () => {
      if (opened === this.opened) this.problem = text.microphoneLost;
    });
  }

  #apply(): void {
    if (this.opened?.microphone) this.opened.microphone.enabled = !this.muted;
    this.opened?.stream.getVideoTracks().forEach((track) => (track.enabled = !this.hidden));
  }

  #serve(): void {
    const stream = this.#onAir ? this.opened?.stream : undefined;
    if (stream && !this.#broadcaster) {
      this.#broadcaster = new Broadcaster(this.#room(), stream, { maxBitrate });
      this.#broadcaster.on('viewers', (viewers) => (this.viewers = viewers));
    } else if (!stream && this.#broadcaster) {
      this.#broadcaster.close();
      this.#broadcaster = undefined;
      this.viewers = [];
    }
  }
}
