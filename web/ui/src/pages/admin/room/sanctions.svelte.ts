import { Problem } from '../../../api/request.ts';
import { getSanctions, type Sanction, type SanctionKind } from '../../../api/rooms.ts';
import { words } from '../../../words/words.ts';

const { sanctions: text, acts } = words.admin.room;

/** Who is banned from a room, or muted in it. */
export class Sanctions {
  rows = $state.raw<Sanction[]>([]);
  next = $state<string | undefined>();
  loaded = $state(false);
  problem = $state('');

  readonly kind: SanctionKind;
  readonly #token: string;
  readonly #room: string;

  constructor(token: string, room: string, kind: SanctionKind) {
    this.#token = token;
    this.#room = room;
    this.kind = kind;
    void this.refresh();
  }

  /** Begins with the first page again. */
  async refresh(): Promise<void> {
    await this.#load(undefined);
  }

  async more(): Promise<void> {
    await this.#load(this.next);
  }

  async #load(after: string | undefined): Promise<void> {
    try {
      const { data, next } = await getSanctions(this.#token, this.#room, this.kind, after);
      this.rows = after === undefined ? data : [...this.rows, ...data];
      this.next = next;
      this.loaded = true;
      this.problem = '';
    } catch (error) {
      this.problem = error instanceof Problem ? text.problem(error.message) : acts.unreachable;
    }
  }
}
