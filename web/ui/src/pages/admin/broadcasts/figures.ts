import type { BroadcastRecord } from '../../../api/broadcasts.ts';
import { timeCode } from '../../../parts/time.ts';

/** How long a broadcast lasted, or has until now. */
export function lastedMs({ started_at, ended_at }: BroadcastRecord, now: number): number {
  return (ended_at === null ? now : Date.parse(ended_at)) - Date.parse(started_at);
}

/** How long all viewers watched, together, as a time code; empty if nobody counted. */
export function watchedCode({ watch_seconds: seconds }: BroadcastRecord): string {
  return seconds === null ? '' : timeCode(seconds * 1000);
}

/** The viewers of each minute as a curve. */
export function curveOf({ viewers = [] }: BroadcastRecord): { times: number[]; values: number[]; peak: number } {
  const values = viewers.map((minute) => minute.viewers);
  return { times: viewers.map(({ at }) => Date.parse(at)), values, peak: values.reduce((most, n) => Math.max(most, n), 0) };
}
