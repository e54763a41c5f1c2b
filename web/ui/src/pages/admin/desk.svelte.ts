import { Problem } from '../../api/request.ts';
import { getValidity } from '../../api/validity.ts';
import { Directory } from '../../directory/directory.svelte.ts';
import { words } from '../../words/words.ts';

/** Each opens a view at least. A public directory is open to any token, but is no dashboard. */
const opening = ['directory', 'service', 'admin'];

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
    void this.#check();
  }

  close(): void {
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
