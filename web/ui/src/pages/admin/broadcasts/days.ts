import type { BroadcastFilters } from '../../../api/broadcasts.ts';

/** Midnight of a day of this place, so many days later: 2026-01-31. Empty if it is no day. */
function midnight(day: string, later: number): string {
  const [year, month, date] = day.split('-').map(Number);
  const at = new Date(year ?? NaN, (month ?? NaN) - 1, (date ?? NaN) + later);
  return Number.isNaN(at.getTime()) ? '' : at.toISOString();
}

/** The filters of the API for those of the address, which has days: both the first and the last are meant whole. */
export function byDays(filters: Record<'streamer' | 'room' | 'from' | 'to', string>): BroadcastFilters {
  return { ...filters, from: midnight(filters.from, 0), to: midnight(filters.to, 1) };
}
