import { getBroadcasts, Problem, type BroadcastRecord } from '../../../api/request.ts';
import { words } from '../../../words/words.ts';

const text = words.admin.broadcasts;

/** A record is written a moment after its broadcast was announced as ended: look at once, and again. */
const looksAfterEndMs = [0, 1000, 4000];

/** The broadcasts that have ended, newest first. */
export class History {
  rows = $state.raw<BroadcastRecord[]>([]);
  next = $state<string | undefined>();
  loaded = $state(false);
  problem = $state('');
  refusal = $state.raw<Problem | undefined>();

  readonly #token: string;
  #timers: ReturnType<typeof setTimeout>[] = [];

  constructor(token: string) {
    this.#token = token;
    void this.#load();
  }

  /** Looks for newly ended ones. */
  refresh(): void {
    this.close();
    this.#timers = looksAfterEndMs.map((ms) => setTimeout(() => void this.#load(), ms));
  }

  /** Loads the next page of older ones. */
  async more(): Promise<void> {
    await this.#load(this.next);
  }

  close(): void {
    this.#timers.forEach(clearTimeout);
  }

  async #load(after?: string): Promise<void> {
    try {
      const page = await getBroadcasts(this.#token, after);
      const fresh = new Set(page.data.map(({ id }) => id));
      const known = this.rows.filter(({ id }) => !fresh.has(id));
      this.rows = after === undefined ? [...page.data, ...known] : [...known, ...page.data];
      // The first page, looked at again, says nothing new about where the older ones go on.
      if (after !== undefined || !this.loaded) this.next = page.next;
      this.loaded = true;
      this.problem = '';
    } catch (error) {
      if (error instanceof Problem && error.wantsToken) this.refusal = error;
      this.problem = error instanceof Problem ? text.problem(error.message) : text.unreachable;
    }
  }
}
