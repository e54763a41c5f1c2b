import type { LiveChange } from '../../../directory/rows.ts';
import { words } from '../../../words/words.ts';

/** With more at a time, names would be read out without an end. */
const fewEnough = 3;

const text = words.admin.live.announce;

/** What is read out to whoever can't see the table: who went on air and off, but no numbers that change all the time. */
export class Announcements {
  #lines: string[] = [];
  #began = 0;
  #ended = 0;

  add({ event, row }: LiveChange): void {
    const say = { 'live.started': text.began, 'live.ended': text.ended, 'live.reconnecting': text.lost, 'live.resumed': text.resumed }[event];
    if (!say) return;
    if (event === 'live.started') this.#began++;
    if (event === 'live.ended') this.#ended++;
    if (this.#lines.length <= fewEnough) this.#lines.push(say(row.streamer.name || row.streamer.id));
  }

  /** What has come together since the last time; empty if nothing has. */
  take(): string {
    const [lines, began, ended] = [this.#lines, this.#began, this.#ended];
    this.#lines = [];
    this.#began = this.#ended = 0;
    if (lines.length <= fewEnough) return lines.join(' ');
    return began + ended > 0 ? text.many(began, ended) : '';
  }
}
