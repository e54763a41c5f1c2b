import { Watcher, type Room, type WatcherState, type WatcherStatistics } from '@tallylight/client';

/** How often it is looked how well the stream comes. */
const lookEveryMs = 1_000;

/** The stream of a room as state that a page can show. */
export class Watching {
  state = $state.raw<WatcherState>('idle');
  stream = $state.raw<MediaStream | undefined>();
  /** How well it comes, once it does. */
  statistics = $state.raw<WatcherStatistics | undefined>();
  /** Pictures a second since the last look. */
  rate = $state(0);
  readonly #watcher: Watcher;
  readonly #looking = setInterval(() => void this.#look(), lookEveryMs);
  #lookedAt = 0;

  constructor(room: Room) {
    this.#watcher = new Watcher(room);
    this.#watcher.on('state', (state) => (this.state = state));
    this.#watcher.on('stream', (stream) => (this.stream = stream));
    this.state = this.#watcher.state;
  }

  close(): void {
    clearInterval(this.#looking);
    this.#watcher.close();
  }

  async #look(): Promise<void> {
    const now = this.stream && (await this.#watcher.statistics().catch(() => undefined));
    const at = performance.now();
    const decoded = (now?.framesDecoded ?? 0) - (this.statistics?.framesDecoded ?? 0);
    this.rate = Math.max(0, Math.round((decoded * 1000) / (at - this.#lookedAt)));
    this.#lookedAt = at;
    this.statistics = now;
  }
}
