import { words } from '../words/words.ts';

const pad = (n: number) => String(n).padStart(2, '0');

/** A time code: 4:07, 1:02:30. Never negative, whatever the clocks say. */
export function timeCode(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  const [h, m, s] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  return h > 0 ? `${h}:${pad(m)}:${pad(s)}` : `${m}:${pad(s)}`;
}

/** Seconds left, at least 0; a countdown shows 15 at its start and 0 only when it is over. */
export function secondsLeft(until: number, now: number): number {
  return Math.max(0, Math.ceil((until - now) / 1000));
}

/** The same in words: 15 s, and from two minutes on 2:00. */
export function timeLeft(until: number, now: number): string {
  const left = secondsLeft(until, now);
  return left < 120 ? words.shared.seconds(left) : timeCode(left * 1_000);
}

const clock = new Intl.DateTimeFormat(undefined, { timeStyle: 'short' });
const day = new Intl.DateTimeFormat(undefined, { month: 'short', day: 'numeric' });
const farDay = new Intl.DateTimeFormat(undefined, { year: 'numeric', month: 'short', day: 'numeric' });

/** When the day of a time began, by the clocks here. */
export function dayOf(time: number): number {
  return new Date(time).setHours(0, 0, 0, 0);
}

/** 14:05, with the day in front when it is not today, and the year when it is not this one. */
export function clockTime(time: number | string, now = Date.now()): string {
  const [date, today] = [new Date(time), new Date(now)];
  const text = clock.format(date);
  if (dayOf(date.getTime()) === dayOf(now)) return text;
  return `${(date.getFullYear() === today.getFullYear() ? day : farDay).format(date)}, ${text}`;
}

const second = new Intl.DateTimeFormat(undefined, { timeStyle: 'medium' });
const minuteMs = 60_000;

/** A time beside the curve of a chart that has one every `stepMs`: no finer than it must be, and at midnight the day. */
export function axisTime(time: number, stepMs: number): string {
  if (time === dayOf(time)) return day.format(time);
  return (stepMs < minuteMs ? second : clock).format(time);
}

const full = new Intl.DateTimeFormat(undefined, { dateStyle: 'full', timeStyle: 'long' });

/** All of a time, to the second and with the time zone. */
export function fullTime(time: number | string): string {
  return full.format(new Date(time));
}

/** A time as a field for a local time has it: 2026-01-31T14:05. */
export function fieldTime(time: number): string {
  const date = new Date(time);
  const [year, month, day] = [date.getFullYear(), date.getMonth() + 1, date.getDate()];
  return `${year}-${pad(month)}-${pad(day)}T${pad(date.getHours())}:${pad(date.getMinutes())}`;
}
