import { problemWords } from '../words/api.ts';

/** Things that a page has done, one at a time, and what went wrong with the last. */
export class Acting {
  pending = $state(false);
  problem = $state('');

  /** Does something, unless something is being done. Resolves with whether it was done. */
  async run(work: () => Promise<unknown>): Promise<boolean> {
    if (this.pending) return false;
    this.pending = true;
    this.problem = '';
    try {
      await work();
      return true;
    } catch (error) {
      this.problem = problemWords(error);
      return false;
    } finally {
      this.pending = false;
    }
  }
}
