import { Backoff } from '@tallylight/client';
import { Problem, request, type LiveRow } from '../api/request.ts';
import { EventStreamParser, type ServerSentEvent } from '../api/sse.ts';

interface Snapshot {
  data: LiveRow[];
  total: number;
  stale: boolean;
}

interface Change {
  event: string;
  row: LiveRow;
  version: number;
}

interface ViewerCounts {
  data: Pick<LiveRow, 'broadcast' | 'viewers' | 'peak_viewers'>[];
}

/** The server sends a comment every 15 s; a stream silent for longer than two of them is dead. */
const silenceLimitMs = 35_000;

export type DirectoryState = 'connecting' | 'open' | 'waiting' | 'refused';

/** Who is live, kept up to date by `GET /v1/live/stream` until `close`. */
export class Directory {
  state = $state<DirectoryState>('connecting');
  rows = $state.raw<LiveRow[]>([]);
  stale = $state(false);
  /** Whether a snapshot has come: before it, an empty list says nothing. */
  loaded = $state(false);
  refusal = $state.raw<Problem | undefined>();
  /** Called when a broadcast has ended. */
  onEnded: (() => void) | undefined;

  readonly #token: string | undefined;
  readonly #backoff = new Backoff();
  readonly #closing = new AbortController();
  readonly #versions = new Map<string, number>();
  #lastId: string | undefined;

  constructor(token: string | undefined) {
    this.#token = token;
    void this.#run();
  }

  close(): void {
    this.#closing.abort();
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
    else if (event === 'change') this.#change(JSON.parse(data) as Change);
    else if (event === 'viewers') this.#count(JSON.parse(data) as ViewerCounts);
  }

  #snapshot({ data, stale }: Snapshot): void {
    this.rows = data;
    this.stale = stale;
    this.loaded = true;
    this.#versions.clear();
  }

  #change({ event, row, version }: Change): void {
    const id = row.broadcast;
    if (version <= (this.#versions.get(id) ?? 0)) return;
    this.#versions.set(id, version);
    const known = this.rows.some(({ broadcast }) => broadcast === id);
    if (event === 'live.ended') {
      this.rows = this.rows.filter(({ broadcast }) => broadcast !== id);
      this.onEnded?.();
    } else if (known) {
      this.rows = this.rows.map((old) => (old.broadcast === id ? row : old));
    } else {
      this.rows = [row, ...this.rows];
    }
  }

  #count({ data }: ViewerCounts): void {
    const counts = new Map(data.map((count) => [count.broadcast, count]));
    this.rows = this.rows.map((row) => ({ ...row, ...counts.get(row.broadcast) }));
  }
}
