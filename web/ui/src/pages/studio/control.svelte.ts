import type { Broadcast } from '@tallylight/client';
import { ask } from '../../parts/asking.svelte.ts';
import type { RoomSession } from '../../room/session.svelte.ts';
import { errorWords } from '../../words/problems.ts';
import { words } from '../../words/words.ts';
import { asBroadcast, detailsOf, noDetails, tagProblem, type Details } from './details.ts';

const text = words.studio;

/** How long viewers wait for a streamer who is gone, unless another time was chosen. */
const usualWindowSeconds = 15;

/** What the streamer does with the broadcast: going live, saying what it is about, ending it. */
export class Control {
  details = $state<Details>({ ...noDetails });
  windowSeconds = $state(usualWindowSeconds);
  pending = $state<'start' | 'update' | 'end' | undefined>();
  problem = $state('');

  readonly #session: RoomSession;
  #filledFrom: string | undefined;

  constructor(session: RoomSession) {
    this.#session = session;
  }

  /** What runs already, after a reload for instance, fills the form, once. */
  fillFrom(broadcast: Broadcast | undefined): void {
    if (!broadcast || this.#filledFrom === broadcast.id) return;
    this.#filledFrom = broadcast.id;
    if (this.pending !== 'start') this.details = detailsOf(broadcast);
  }

  start(): Promise<void> {
    const options = { ...asBroadcast(this.details), window_ms: this.windowSeconds * 1000 };
    return this.#tell('start', () => this.#session.room.start(options));
  }

  update(): Promise<void> {
    return this.#tell('update', () => this.#session.room.update(asBroadcast(this.details)));
  }

  /** Ends the broadcast, if that is what is wanted. */
  async end(): Promise<void> {
    if (this.pending) return;
    if (!(await ask({ title: text.endTitle, text: text.endWhy, action: text.end }))) return;
    await this.#do('end', () => this.#session.room.end());
  }

  /** Does something that says what the broadcast is about. */
  async #tell(what: 'start' | 'update', run: () => Promise<unknown>): Promise<void> {
    const problem = tagProblem(this.details.tags);
    if (problem === '') await this.#do(what, run);
    else this.problem = problem;
  }

  async #do(what: NonNullable<Control['pending']>, run: () => Promise<unknown>): Promise<void> {
    if (this.pending) return;
    this.pending = what;
    this.problem = '';
    try {
      await run();
    } catch (error) {
      this.problem = errorWords(error);
    }
    this.pending = undefined;
  }
}
