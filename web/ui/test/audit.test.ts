import { expect, test } from 'vitest';
import type { AuditEntry } from '../src/api/audit.ts';
import { actionWords, moreWords } from '../src/pages/admin/audit/entry.ts';

const entry: AuditEntry = { seq: 1, at: '2026-01-31T12:00:00.000Z', actor: 'admin', action: 'delete' };

test('an action that this page does not know has the name that the server gives it', () => {
  expect(actionWords('token.revoke')).toBe('revoked tokens');
  expect(actionWords('x.new')).toBe('x.new');
  expect(actionWords('constructor')).toBe('constructor');
});

test('what else there is to say of an act', () => {
  const now = Date.parse(entry.at);
  expect(moreWords(entry, now)).toBe('');
  expect(moreWords({ ...entry, offset: 7 }, now)).toBe('line 7');
  expect(moreWords({ ...entry, action: 'slow', seconds: 30 }, now)).toBe('30 s between lines');
  expect(moreWords({ ...entry, action: 'slow' }, now)).toBe('off');
  expect(moreWords({ ...entry, action: 'ban', expires_at: entry.at }, now)).toMatch(/^until ./);
});
