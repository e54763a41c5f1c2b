/** The time, four times a second, so that no shown second is skipped or late by much. */
export class Clock {
  #now = $state(Date.now());

  constructor() {
    $effect(() => {
      const timer = setInterval(() => (this.#now = Date.now()), 250);
      return () => clearInterval(timer);
    });
  }

  get now(): number {
    return this.#now;
  }
}
