import type { LiveRow } from '../../../api/request.ts';
import type { Directory } from '../../../directory/directory.svelte.ts';
import { Order } from './order.ts';
import { sortAfter, type Column, type Filter, type Sort } from './sort.ts';

/** How often it is looked whether the order is to follow the values. */
const lookMs = 500;

/** What the table of who is live shows, as state. To be made while a component is. */
export class Listing {
  sort = $state.raw<Sort>({ column: 'viewers', descending: true });
  filter = $state.raw<Filter>({ words: '', state: '', category: '' });
  /** While somebody points at a row, or has the focus in one, no row moves. */
  held = $state(false);
  /** In their order, as they were when they got their place. */
  rows = $state.raw<LiveRow[]>([]);

  readonly #order = new Order(this.sort, this.filter);
  #ticks = $state(0);

  constructor(directory: Directory) {
    $effect(() => {
      const timer = setInterval(() => this.#ticks++, lookMs);
      return () => clearInterval(timer);
    });
    // Before the page is drawn, so that no row is seen where it no longer belongs.
    $effect.pre(() => {
      void this.#ticks;
      this.#order.set(this.sort, this.filter);
      if (this.#order.follow(directory.live, performance.now(), this.held)) this.rows = this.#order.rows;
    });
  }

  sortBy(column: Column): void {
    this.sort = sortAfter(column, this.sort);
  }
}
