import type { Problem } from '../../api/request.ts';
import { Directory } from '../../directory/directory.svelte.ts';

/** What all views of the dashboard share. */
export class Desk {
  readonly token: string;
  /** Who is live: one stream for all views. */
  readonly directory: Directory;
  /** Why the token opens no dashboard at all. */
  refusal = $state.raw<Problem | undefined>();

  constructor(token: string) {
    this.token = token;
    this.directory = new Directory(token);
  }

  close(): void {
    this.directory.close();
  }
}
