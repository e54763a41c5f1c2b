import { Backoff } from '@tallylight/client';
import { Problem, request, type LiveRow } from '../api/request.ts';
import { EventStreamParser, type ServerSentEvent } from '../api/sse.ts';
import { Batch } from './batch.ts';
import { LiveRows, type LiveChange, type Totals, type ViewerCount } from './rows.ts';

interface Snapshot {
  data: LiveRow[];
  total: number;
  stale: boolean;
}

/** The server sends a comment every 15 s; a stream silent for longer than two of them is dead. */
const silenceLimitMs = 35_000;

export type DirectoryState = 'connecting' | 'open' | 'waiting' | 'refused';

/**
 * Who is live, kept up to date by `GET /v1/live/stream` until `close`. Whatever comes between two frames is shown with the
 * second one: thousands of changes are no more work for the page than one.
 */
export class Directory {
  state = $state<DirectoryState>('connecting');
  stale = $state(false);
  /** Whether a snapshot has come: before it, an empty list says nothing. */
  loaded = $state(false);
  refusal = $state.raw<Problem | undefined>();
  /** Called when a broadcast has ended. */
  onEnded: (() => void) | undefined;

  readonly #token: string | undefined;
  readonly #backoff = new Backoff();
  readonly #closing = new AbortController();
  readonly #live = new LiveRows();
  readonly #listeners = new Set<(change: LiveChange) => void>();
  readonly #batch = new Batch(() => this.#publish());
  #version = $state(0);
  #list: LiveRow[] | undefined;
  #lastId: string | undefined;

  constructor(token: string | undefined) {
    this.#token = token;
    void this.#run();
  }

  /**
   * The rows by their broadcast. An effect or a derived that reads this runs again with each change; it is the same object each
   * time, so a derived must take out of it what it is about.
   */
  get live(): LiveRows {
    void this.#version;
    return this.#live;
  }

  /** All rows, in no order: another list after each change. */
  get rows(): LiveRow[] {
    const { live } = this;
    return (this.#list ??= [...live.values()]);
  }

  get totals(): Totals {
    return this.live.totals;
  }

  /** Calls back with each change, as it comes. Returns what ends that. */
  listen(listener: (change: LiveChange) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  close(): void {
    this.#closing.abort();
    this.#batch.cancel();
  }

  async #run(): Promise<void> {
    while (!this.#closing.signal.aborted) {
      try {
        await this.#read();
      } catch (error) {
        if (error instanceof Problem && error.wantsToken) {
          this.refusal = error;
          this.state = 'refused';
          return;
        }
      }
      if (this.#closing.signal.aborted) return;
      this.state = 'waiting';
      await new Promise((resolve) => setTimeout(resolve, this.#backoff.next()));
    }
  }

  /** Reads one stream to its end. */
  async #read(): Promise<void> {
    const silence = new AbortController();
    const signal = AbortSignal.any([this.#closing.signal, silence.signal]);
    const headers: HeadersInit = { Accept: 'text/event-stream' };
    if (this.#lastId !== undefined) headers['Last-Event-ID'] = this.#lastId;
    let watch = setTimeout(() => silence.abort(), silenceLimitMs);
    try {
      const response = await request('/v1/live/stream', this.#token, { headers, signal });
      const parser = new EventStreamParser();
      const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
      for (;;) {
        const piece = await reader?.read();
        if (!piece || piece.done) return;
        clearTimeout(watch);
        watch = setTimeout(() => silence.abort(), silenceLimitMs);
        this.state = 'open';
        this.#backoff.reset();
        for (const event of parser.push(piece.value)) this.#take(event);
      }
    } finally {
      clearTimeout(watch);
    }
  }

  #take({ event, data, id }: ServerSentEvent): void {
    this.#lastId = id ?? this.#lastId;
    if (event === 'snapshot') this.#snapshot(JSON.parse(data) as Snapshot);
    else if (event === 'change') this.#change(JSON.parse(data) as LiveChange);
    else if (event === 'viewers') this.#count(JSON.parse(data) as { data: ViewerCount[] });
  }

  #snapshot({ data, stale }: Snapshot): void {
    this.#live.reset(data);
    this.stale = stale;
    this.loaded = true;
    this.#batch.flush();
  }

  #change(change: LiveChange): void {
    if (!this.#live.change(change)) return;
    this.#batch.request();
    for (const listener of this.#listeners) listener(change);
    if (change.event === 'live.ended') this.onEnded?.();
  }

  #count({ data }: { data: ViewerCount[] }): void {
    this.#live.count(data);
    this.#batch.request();
  }

  #publish(): void {
    this.#list = undefined;
    this.#version = this.#live.version;
  }
}
