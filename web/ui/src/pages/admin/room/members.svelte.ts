import type { Member, Room } from '@tallylight/client';
import { peopleOf, type Person } from './people.ts';

/** Nobody tells who comes and goes: it is to be asked. */
const everyMs = 5_000;
/** A connection may ask five times a second: a page is one of these. */
const mostPages = 10;
const pageSize = 100;

/** Who is in a room, asked for again and again until `close`. */
export class Members {
  people = $state.raw<Person[]>([]);
  /** How many connections they are. */
  connections = $state(0);
  /** Whether there are more than are shown. */
  more = $state(false);
  /** Whether somebody may be missing, because a node did not answer. */
  partial = $state(false);
  loaded = $state(false);

  /** The room, which may be another object after a refusal; undefined while it is not joined. */
  readonly #room: () => Room | undefined;
  readonly #timer: ReturnType<typeof setInterval>;
  #pages = 1;
  #asking = false;

  constructor(room: () => Room | undefined) {
    this.#room = room;
    this.#timer = setInterval(() => {
      if (!document.hidden) void this.refresh();
    }, everyMs);
  }

  /** Whether more of them can be shown. */
  get canShowMore(): boolean {
    return this.more && this.connections < mostPages * pageSize;
  }

  showMore(): void {
    this.#pages = Math.min(this.#pages + 1, mostPages);
    void this.refresh();
  }

  async refresh(): Promise<void> {
    const room = this.#room();
    if (!room || this.#asking) return;
    this.#asking = true;
    try {
      const { members, more, partial } = await ask(room, this.#pages);
      this.people = peopleOf(members);
      this.connections = members.length;
      this.more = more;
      this.partial = partial;
      this.loaded = true;
    } catch {
      // Whether the connection is there is said elsewhere; it is asked again.
    } finally {
      this.#asking = false;
    }
  }

  close(): void {
    clearInterval(this.#timer);
  }
}

async function ask(room: Room, pages: number): Promise<{ members: Member[]; more: boolean; partial: boolean }> {
  const members: Member[] = [];
  let partial = false;
  let after: string | undefined;
  for (let asked = 0; asked < pages; asked++) {
    const page = await room.members({ first: pageSize, ...(after !== undefined && { after }) });
    members.push(...page.members);
    partial ||= page.partial;
    after = page.next;
    if (after === undefined) break;
  }
  return { members, more: after !== undefined, partial };
}
