import { expect, test } from 'vitest';
import type { LiveRow } from '../src/api/request.ts';
import { Announcements } from '../src/pages/admin/live/announcements.ts';

const change = (event: string, name: string) => ({ event, version: 1, row: { streamer: { id: 'x', name } } as LiveRow });

test('a few are named, and said once', () => {
  const said = new Announcements();
  said.add(change('live.started', 'Ana'));
  said.add(change('live.updated', 'Ben'));
  said.add(change('live.ended', ''));
  expect(said.take()).toBe('Ana is on air. x is off air.');
  expect(said.take()).toBe('');
});

test('many are counted', () => {
  const said = new Announcements();
  for (let n = 0; n < 1_500; n++) said.add(change('live.started', `s${n}`));
  for (let n = 0; n < 20; n++) said.add(change('live.ended', `s${n}`));
  expect(said.take()).toBe('1,500 went on air, 20 went off air.');
  for (let n = 0; n < 7; n++) said.add(change('live.ended', `s${n}`));
  expect(said.take()).toBe('0 went on air, 7 went off air.');
  said.add(change('live.resumed', 'Ana'));
  expect(said.take()).toBe('Ana is back on air.');
});
