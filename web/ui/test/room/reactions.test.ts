import { expect, test } from 'vitest';
import { Allowance, chosen, OwnReactions } from '../../src/room/reactions.ts';

const tally = (kinds: string[]) => Object.fromEntries([...new Set(kinds)].map((kind) => [kind, kinds.filter((other) => other === kind).length]));

test('few reactions are all shown', () => {
  expect(tally(chosen({ heart: 3, fire: 1 }, 30))).toEqual({ heart: 3, fire: 1 });
});

test('however many were counted, no more than the bound are shown, each kind by its share', () => {
  const shown = chosen({ heart: 80_000, fire: 19_990, party: 10 }, 30);
  expect(shown.length).toBeLessThanOrEqual(30);
  const { heart = 0, fire = 0, party = 0 } = tally(shown);
  expect(heart).toBeGreaterThan(fire * 3);
  expect(party, 'the rarest is seen too').toBe(1);
});

test('without much room the most frequent come first, and without any none', () => {
  expect(chosen({ a: 1, b: 5, c: 3 }, 2)).toEqual(['b', 'c']);
  expect(chosen({ a: 50, b: 50, c: 1, d: 1 }, 5), 'the rare ones are within the bound').toHaveLength(5);
  expect(chosen({ a: 1 }, 0)).toEqual([]);
  expect(chosen({ a: 1 }, -3)).toEqual([]);
  expect(chosen({ a: 0 }, 5)).toEqual([]);
  expect(chosen({}, 5)).toEqual([]);
});

test('one’s own, which floated already, is not shown again; those of others are', () => {
  const own = new OwnReactions();
  own.add('heart');
  own.add('heart');
  expect(own.without({ heart: 1 }), 'the first of two').toEqual({ heart: 0 });
  expect(own.without({ heart: 5, fire: 2 }), 'the second').toEqual({ heart: 4, fire: 2 });
  expect(own.without({ heart: 5 })).toEqual({ heart: 5 });
});

test('a refused one is not waited for', () => {
  const own = new OwnReactions();
  own.add('heart');
  own.drop('heart');
  own.drop('heart');
  expect(own.without({ heart: 1 })).toEqual({ heart: 1 });
});

test('some reactions at once, then one every so often', () => {
  const allowance = new Allowance({ burst: 3, everyMs: 400 });
  expect([1, 2, 3, 4].map(() => allowance.take(1_000))).toEqual([true, true, true, false]);
  expect(allowance.nextAt(1_000)).toBe(1_400);
  expect(allowance.take(1_399)).toBe(false);
  expect(allowance.take(1_400)).toBe(true);
  expect(allowance.nextAt(60_000)).toBe(60_000);
  expect([1, 2, 3, 4].map(() => allowance.take(60_000)), 'no more are saved up').toEqual([true, true, true, false]);
});
