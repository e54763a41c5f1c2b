import { words } from '../words/words.ts';

const units = [
  { unit: 'second', seconds: 1, below: 60 },
  { unit: 'minute', seconds: 60, below: 60 },
  { unit: 'hour', seconds: 3600, below: 48 },
  { unit: 'day', seconds: 86_400, below: Infinity },
] as const;

/** How long something lasts, in words and whole units: "10 minutes", "1 hour". */
export function lasting(seconds: number): string {
  const fitting = units.find(({ seconds: one, below }) => Math.round(seconds / one) < below) ?? units[3];
  const format = new Intl.NumberFormat(words.language.code, { style: 'unit', unit: fitting.unit, unitDisplay: 'long' });
  return format.format(Math.max(0, Math.round(seconds / fitting.seconds)));
}
