import { expect, test } from 'vitest';
import { expulsion, isExpulsion } from '../src/close.ts';

test.each([
  ['banned', {}],
  ['kicked', {}],
  ['banned: spam', { why: 'spam' }],
  ['kicked: until tomorrow: really', { why: 'until tomorrow: really' }],
  ['banned until 2026-01-31T12:00:00Z', { until: 1769860800000 }],
  ['banned until 2026-01-31T12:00:00Z: spam: a lot', { until: 1769860800000, why: 'spam: a lot' }],
  ['banned until 2026-13-31T12:00:00Z: spam', { why: 'spam' }],
  ['replaced by a newer connection', {}],
  ['', {}],
])('%j says %j', (reason, said) => {
  expect(expulsion(reason)).toEqual(said);
});

test('who was put out is told by two codes', () => {
  expect([4403, 4410, 4411, 4412, 4413].filter(isExpulsion)).toEqual([4411, 4412]);
});
