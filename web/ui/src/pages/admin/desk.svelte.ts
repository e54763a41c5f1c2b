import type { Problem } from '../../api/request.ts';
import { Directory } from '../../directory/directory.svelte.ts';
import { Curves } from './live/curves.svelte.ts';

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
  }

  close(): void {
    this.totals.close();
    this.directory.close();
  }
}
