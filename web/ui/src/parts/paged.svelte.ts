import { Problem, type Page } from '../api/request.ts';
import { problemWords } from '../words/api.ts';

/** What a list is made of. */
export interface Source<T> {
  /** Gets the page after a cursor, or the first one. */
  page: (after?: string) => Promise<Page<T>>;
  /** What tells a row from all others. */
  key: (row: T) => string;
  /** Called when the token is no longer taken. */
  unauthorized?: (problem: Problem) => void;
}

/** A list of the API, page by page. What has no pages is a list of one page, and a single thing one of one row. */
export class Paged<T> {
  rows = $state.raw<T[]>([]);
  /** Where it goes on; undefined: nowhere. */
  next = $state<string | undefined>();
  /** Whether any page has come: before that, an empty list says nothing. */
  loaded = $state(false);
  loading = $state(false);
  /** What went wrong last, in words. */
  problem = $state('');
  /** The token is good, but not for this. */
  forbidden = $state(false);

  readonly #source: Source<T>;
  /** Answers to what was asked before a restart come too late. */
  #turn = 0;
  #asking = 0;
  #failed: (() => Promise<void>) | undefined;

  constructor(source: Source<T>) {
    this.#source = source;
    void this.restart();
  }

  /** Begins anew. What is shown stays until the first page is there, and then is forgotten. */
  restart(): Promise<void> {
    this.#turn++;
    return this.#load(undefined, (page) => this.#begin(page), () => this.restart());
  }

  /** Looks for what has come on top, in a list that grows there; older pages stay. */
  refresh(): Promise<void> {
    return this.#load(undefined, (page) => this.#onTop(page), () => this.refresh());
  }

  /** Adds the next page. */
  async more(): Promise<void> {
    if (this.next === undefined || this.loading) return;
    await this.#load(this.next, (page) => this.#below(page), () => this.more());
  }

  /** Tries again what failed. */
  async retry(): Promise<void> {
    await this.#failed?.();
  }

  /** Takes out a row that is gone. */
  drop(row: T): void {
    this.rows = this.#without([row]);
  }

  /** Nothing that comes from now on is taken. */
  close(): void {
    this.#turn++;
  }

  async #load(after: string | undefined, take: (page: Page<T>) => void, again: () => Promise<void>): Promise<void> {
    const turn = this.#turn;
    this.loading = true;
    this.#asking++;
    try {
      const page = await this.#source.page(after);
      if (turn !== this.#turn) return;
      take(page);
      this.loaded = true;
      this.forbidden = false;
      this.problem = '';
    } catch (error) {
      if (turn === this.#turn) this.#fail(error, again);
    } finally {
      this.loading = --this.#asking > 0;
    }
  }

  #fail(error: unknown, again: () => Promise<void>): void {
    this.#failed = again;
    this.forbidden = error instanceof Problem && error.status === 403;
    this.problem = this.forbidden ? '' : problemWords(error);
    if (error instanceof Problem && error.status === 401) this.#source.unauthorized?.(error);
  }

  #begin({ data, next }: Page<T>): void {
    this.rows = data;
    this.next = next;
  }

  #onTop(page: Page<T>): void {
    const known = this.#without(page.data);
    // None of the rows is known: there may be others between this page and what is shown.
    if (known.length === this.rows.length && page.next !== undefined) this.#begin(page);
    else this.rows = [...page.data, ...known];
  }

  #below({ data, next }: Page<T>): void {
    this.rows = [...this.#without(data), ...data];
    this.next = next;
  }

  #without(rows: T[]): T[] {
    const { key } = this.#source;
    const keys = new Set(rows.map(key));
    return this.rows.filter((row) => !keys.has(key(row)));
  }
}
