import { TallylightError, type StopReason } from '@tallylight/client';

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
  return error instanceof TallylightError && error.code === 'forbidden' ? sentenceOf(error.message) : undefined;
}

function sentenceOf(message: string): Sentence | undefined {
  const [, what, end, why] = /^you are (kicked|banned|muted)(?: until (\S+?Z))?(?:: (.*))?$/s.exec(message) ?? [];
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

/** That a moderator put us out of the room, or does not let us in: by how the connection ended, or how the join was answered. */
export function expulsionIn(stopped: StopReason | undefined, refused: TallylightError | undefined): Sentence | undefined {
  if (stopped?.code === 'kicked' || stopped?.code === 'banned') {
    const { code, until, why } = stopped;
    return { what: code, ...(until !== undefined && { until }), ...(why !== undefined && { why }) };
  }
  const sentence = sentenceIn(refused) ?? sentenceOf(stopped?.message ?? '');
  return sentence?.what === 'muted' ? undefined : sentence;
}

/** Whether nothing is wrong with a token but its age. */
export function isTooOld({ code, message }: StopReason): boolean {
  return code === 'token_expired' || (code === 'unauthorized' && message === 'unauthorized: expired');
}
