import { expect, test } from 'vitest';
import { filtersIn, namesFilters, subjectOf } from '../src/pages/admin/filters.ts';
import { byDays } from '../src/pages/admin/broadcasts/days.ts';

test('filters stand in the address, and come out of it as they were', () => {
  const subject = subjectOf({ room: ' a&b ', actor: 'user=1@x', target: '', action: undefined });
  expect(subject).toBe('room=a%26b&actor=user%3D1%40x');
  expect(filtersIn(subject ?? '', ['room', 'actor', 'target'])).toEqual({ room: 'a&b', actor: 'user=1@x', target: '' });
});

test('no filters are no subject', () => {
  expect(subjectOf({ room: '', actor: ' ' })).toBeUndefined();
  expect(filtersIn('', ['room'])).toEqual({ room: '' });
});

test('a subject is filters, or one thing', () => {
  expect(['', 'room=a', '019a-77'].map(namesFilters)).toEqual([true, true, false]);
});

test('both the first and the last day are meant whole', () => {
  const { from, to } = byDays({ streamer: '', room: '', from: '2026-01-31', to: '2026-02-28' });
  expect(from).toBe(new Date(2026, 0, 31).toISOString());
  expect(to).toBe(new Date(2026, 2, 1).toISOString());
  expect(byDays({ streamer: 'alice', room: '', from: '', to: 'soon' })).toEqual({ streamer: 'alice', room: '', from: '', to: '' });
});
