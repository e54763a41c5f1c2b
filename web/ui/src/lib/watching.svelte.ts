import { Watcher, type Room, type WatcherState } from '@tallylight/client';

/** The stream of a room as state that a page can show. */
export class Watching {
  state = $state.raw<WatcherState>('idle');
  stream = $state.raw<MediaStream | undefined>();
  readonly #watcher: Watcher;

  constructor(room: Room) {
    this.#watcher = new Watcher(room);
    this.#watcher.on('state', (state) => (this.state = state));
    this.#watcher.on('stream', (stream) => (this.stream = stream));
    this.state = this.#watcher.state;
  }

  close(): void {
    this.#watcher.close();
  }
}
