import { words } from '../words/words.ts';

/** How long something is to last, as it is chosen in a form. */
export interface Lasting {
  /** Seconds; `forever`, which is until it is lifted; or `custom`: until the time below. */
  choice: string;
  /** Of a field for a local time: 2026-01-31T14:05. */
  until: string;
}

const text = words.lasting;

/** What can be chosen, in order. */
export const choices: [string, string][] = [
  ['600', text.minutes10],
  ['3600', text.hour],
  ['86400', text.day],
  ['604800', text.week],
  ['2592000', text.days30],
  ['forever', text.forever],
  ['custom', text.custom],
];

/** When it ends; undefined: when it is lifted. */
export function endOf({ choice, until }: Lasting, now: number): Date | undefined {
  if (choice === 'forever') return undefined;
  return choice === 'custom' ? new Date(until) : new Date(now + Number(choice) * 1000);
}

/** For how many seconds it lasts; 0: until it is lifted. */
export function secondsOf(lasting: Lasting, now: number): number {
  const end = endOf(lasting, now);
  return end === undefined ? 0 : Math.max(1, Math.round((end.getTime() - now) / 1000));
}

/** Whether it has an end that is still to come, or none. */
export function isWhole(lasting: Lasting, now: number): boolean {
  const end = endOf(lasting, now);
  return end === undefined || end.getTime() > now;
}
