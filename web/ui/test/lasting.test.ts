import { expect, test } from 'vitest';
import { choices, endOf, isWhole, secondsOf } from '../src/parts/lasting.ts';
import { fieldTime } from '../src/parts/time.ts';
import { wanted, what, type Form } from '../src/pages/admin/revocations/what.ts';

const now = new Date(2026, 0, 31, 12, 0).getTime();
const custom = (until: string) => ({ choice: 'custom', until });

test.each(choices.filter(([choice]) => choice !== 'custom'))('%s can be chosen as it is', (choice) => {
  expect(isWhole({ choice, until: '' }, now)).toBe(true);
});

test('it lasts for so long, until a time, or until it is lifted', () => {
  expect(endOf({ choice: '3600', until: '' }, now)?.getTime()).toBe(now + 3_600_000);
  expect(secondsOf({ choice: '3600', until: '' }, now)).toBe(3600);
  expect(secondsOf(custom(fieldTime(now + 120_000)), now)).toBe(120);
  expect([endOf({ choice: 'forever', until: '' }, now), secondsOf({ choice: 'forever', until: '' }, now)]).toEqual([undefined, 0]);
});

test('a time that is not there, or has gone, is none', () => {
  expect([custom(''), custom(fieldTime(now - 60_000)), custom(fieldTime(now + 60_000))].map((each) => isWhole(each, now))).toEqual([false, false, true]);
});

const form: Form = { kind: 'jti', of: ' t1 ', before: '', lasting: { choice: 'forever', until: '' }, reason: ' lost ' };

test('what is revoked is one token, those of a user, or those from before a time', () => {
  expect(wanted(form, now)).toEqual({ jti: 't1', reason: 'lost' });
  expect(wanted({ ...form, kind: 'sub', reason: '' }, now)).toEqual({ sub: 't1' });
  const before = fieldTime(now);
  const issued = new Date(now).toISOString();
  expect(wanted({ ...form, kind: 'before', before, lasting: { choice: '600', until: '' } }, now)).toEqual({
    sub: 't1',
    issued_before: issued,
    expires_at: new Date(now + 600_000).toISOString(),
    reason: 'lost',
  });
});

test('a form with something missing revokes nothing', () => {
  const incomplete: Partial<Form>[] = [{ of: ' ' }, { kind: 'before' }, { lasting: custom('') }];
  expect(incomplete.map((missing) => wanted({ ...form, ...missing }, now))).toEqual([undefined, undefined, undefined]);
});

test('a revocation says which tokens it is of', () => {
  const row = { id: 'sub:bob', actor: 'admin', created_at: new Date(now).toISOString() };
  expect(what({ ...row, jti: 't1' })).toBe('Token t1');
  expect(what({ ...row, sub: 'bob' })).toBe('All tokens of bob');
  expect(what({ ...row, sub: 'bob', issued_before: new Date(now).toISOString() })).toMatch(/^Tokens of bob from before ./);
});
