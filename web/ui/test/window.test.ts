import { expect, test } from 'vitest';
import { places, topAfter, windowOf } from '../src/pages/admin/live/window.ts';

const view = { height: 400, rowHeight: 40, count: 10_000 };

test.each([
  ['at the top', { top: 0 }, { first: 0, end: 18 }],
  ['in the midst', { top: 40_010 }, { first: 992, end: 1019 }],
  ['at the bottom', { top: 399_600 }, { first: 9_974, end: 10_000 }],
  ['pulled beyond the top', { top: -80 }, { first: 0, end: 18 }],
  ['with fewer rows than there is space', { top: 0, count: 3 }, { first: 0, end: 3 }],
  ['without rows', { top: 0, count: 0 }, { first: 0, end: 0 }],
  ['not measured yet', { top: 0, height: 0 }, { first: 0, end: 8 }],
])('%s', (_name, more, want) => {
  expect(windowOf({ ...view, ...more })).toEqual(want);
});

test('a list that became shorter shows its end', () => {
  const { first, end } = windowOf({ ...view, top: 300_000, count: 100 });
  expect(end).toBe(100);
  expect(end - first).toBeGreaterThanOrEqual(10);
});

test('what can be seen is drawn, wherever it is scrolled to', () => {
  for (let top = 0; top <= 10_000 * 40 - 400; top += 997) {
    const { first, end } = windowOf({ ...view, top });
    expect(first * 40).toBeLessThanOrEqual(top);
    expect(end * 40).toBeGreaterThanOrEqual(top + 400);
    expect(end - first).toBeLessThan(30);
  }
});

test('the row with the focus is drawn, in its order', () => {
  const window = { first: 10, end: 13 };
  expect(places(window, -1)).toEqual([10, 11, 12]);
  expect(places(window, 11)).toEqual([10, 11, 12]);
  expect(places(window, 2)).toEqual([2, 10, 11, 12]);
  expect(places(window, 90)).toEqual([10, 11, 12, 90]);
});

test('keys lead to both ends and by a page, which keeps a row in sight', () => {
  const at = (key: string, top: number) => topAfter(key, { ...view, top });
  expect(at('Home', 5_000)).toBe(0);
  expect(at('End', 5_000)).toBeGreaterThanOrEqual(400_000 - 400);
  expect(at('PageDown', 5_000)).toBe(5_320);
  expect(at('PageUp', 5_000)).toBe(4_680);
  expect(at('PageUp', 100)).toBe(0);
  expect(at('ArrowDown', 5_000)).toBeUndefined();
  expect(topAfter('PageDown', { ...view, top: 0, height: 50 })).toBe(40);
});
