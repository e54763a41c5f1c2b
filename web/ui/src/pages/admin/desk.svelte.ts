import { Problem } from '../../api/request.ts';
import { getValidity } from '../../api/validity.ts';
import { Directory } from '../../directory/directory.svelte.ts';
import { words } from '../../words/words.ts';
import { Curves } from './live/curves.svelte.ts';

/** Each opens a view at least. A public directory is open to any token, but is no dashboard. */
const opening = ['directory', 'service', 'admin'];

/** What all views of the dashboard share. */
export class Desk {
  readonly token: string;
  /** Who is live: one stream for all views. */
  readonly directory: Directory;
  /** How many are on air, and how many watch, since the page was opened. */
  readonly totals: Curves;
  /** Why the token opens no dashboard at all. */
  refusal = $state.raw<Problem | undefined>();

  constructor(token: string) {
    this.token = token;
    const directory = new Directory(token);
    this.directory = directory;
    this.totals = new Curves(2, () => {
      if (!directory.loaded) return undefined;
      const { live, viewers } = directory.totals;
      return directory.state === 'open' ? [live, viewers] : [null, null];
    });
    void this.#check();
  }

  close(): void {
    this.totals.close();
    this.directory.close();
  }

  /** Without an answer nothing is refused: each view says what it may not show. */
  async #check(): Promise<void> {
    const validity = await getValidity(this.token).catch((error: unknown) => {
      if (error instanceof Problem && error.wantsToken) this.refusal = error;
    });
    if (validity && !validity.scopes.some((scope) => opening.includes(scope))) {
      this.refusal = new Problem(403, 'forbidden', words.admin.noScope);
    }
  }
}
