import { TallylightError } from '@tallylight/client';

/** How long something is so, and why, as far as there is an end and a reason. */
export interface Term {
  /** Unix milliseconds of the server's clock. */
  until?: number;
  why?: string;
}

export interface Sentence extends Term {
  what: 'kicked' | 'banned' | 'muted';
}

/** What a `forbidden` says of its receiver: "you are muted until 2026-01-31T12:00:00Z: spam". Undefined if it says nothing of the kind. */
export function sentenceIn(error: unknown): Sentence | undefined {
  if (!(error instanceof TallylightError) || error.code !== 'forbidden') return undefined;
  const [, what, end, why] = /^you are (kicked|banned|muted)(?: until (\S+?Z))?(?:: (.*))?$/s.exec(error.message) ?? [];
  if (what === undefined) return undefined;
  const until = end === undefined ? NaN : Date.parse(end);
  return {
    what: what as Sentence['what'],
    ...(!Number.isNaN(until) && { until }),
    ...(why !== undefined && { why }),
  };
}

export function isOver({ until }: Term, now: number): boolean {
  return until !== undefined && until <= now;
}
