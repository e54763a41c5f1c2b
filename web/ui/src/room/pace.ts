/** When somebody spoke and was told to wait, in Unix milliseconds. */
export interface Pace {
  saidAt?: number;
  /** The server refused a line before this. */
  notBefore?: number;
}

/** When the next line may be said, where a user may say one in so many seconds; 0: now. */
export function nextLineAt({ saidAt, notBefore = 0 }: Pace, slowSeconds: number): number {
  const paced = slowSeconds > 0 && saidAt !== undefined ? saidAt + slowSeconds * 1000 : 0;
  return Math.max(paced, notBefore);
}
