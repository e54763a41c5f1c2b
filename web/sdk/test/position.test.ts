import { expect, test } from 'vitest';
import { PositionTracker } from '../src/position.ts';
import { VersionTracker } from '../src/versions.ts';

test('what was seen is not new again', () => {
  const tracker = new PositionTracker();
  expect(tracker.advance({ epoch: 'a', offset: 1 })).toBe(true);
  expect(tracker.advance({ epoch: 'a', offset: 2 })).toBe(true);
  expect(tracker.advance({ epoch: 'a', offset: 2 })).toBe(false);
  expect(tracker.advance({ epoch: 'a', offset: 1 })).toBe(false);
  expect(tracker.known).toEqual({ epoch: 'a', offset: 2 });
});

test('offsets of another epoch are not compared', () => {
  const tracker = new PositionTracker();
  tracker.reset({ epoch: 'a', offset: 100 });
  expect(tracker.advance({ epoch: 'b', offset: 1 })).toBe(true);
  expect(tracker.known).toEqual({ epoch: 'b', offset: 1 });
});

test('a snapshot may go back', () => {
  const tracker = new PositionTracker();
  tracker.reset({ epoch: 'a', offset: 9 });
  tracker.reset({ epoch: 'a', offset: 4 });
  expect(tracker.advance({ epoch: 'a', offset: 5 })).toBe(true);
});

test('only a newer version of a broadcast is news', () => {
  const tracker = new VersionTracker();
  expect(tracker.advance({ id: 'one', version: 1 })).toBe(true);
  expect(tracker.advance({ id: 'one', version: 3 })).toBe(true);
  expect(tracker.advance({ id: 'one', version: 3 })).toBe(false);
  expect(tracker.advance({ id: 'one', version: 2 })).toBe(false);
});

test('the end of an old broadcast does not come back after a new one began', () => {
  const tracker = new VersionTracker();
  tracker.advance({ id: 'one', version: 5 });
  expect(tracker.advance({ id: 'two', version: 1 })).toBe(true);
  expect(tracker.advance({ id: 'one', version: 5 })).toBe(false);
});

test('few broadcasts are remembered', () => {
  const tracker = new VersionTracker();
  for (let i = 0; i < 20; i++) tracker.advance({ id: String(i), version: 1 });
  expect(tracker.advance({ id: '0', version: 1 })).toBe(true);
  expect(tracker.advance({ id: '19', version: 1 })).toBe(false);
});
