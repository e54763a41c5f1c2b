import { expect, test } from 'vitest';
import { asBroadcast, detailsOf, noDetails, tagProblem } from '../src/pages/studio/details.ts';

test('what is typed goes out trimmed, each tag once, and empty fields as well, so that they can be emptied', () => {
  const typed = { title: ' Ink ', category: '', language: 'en', tags: 'calm, ,ink,, calm ' };
  expect(asBroadcast(typed)).toEqual({ title: 'Ink', category: '', language: 'en', tags: ['calm', 'ink'] });
});

test('the form shows what runs already', () => {
  expect(detailsOf({ title: 'Ink', tags: ['calm', 'ink'] })).toEqual({ ...noDetails, title: 'Ink', tags: 'calm, ink' });
  expect(detailsOf({})).toEqual(noDetails);
});

test.each([
  ['nothing', '', ''],
  ['ten tags', 'a,b,c,d,e,f,g,h,i,j', ''],
  ['ten tags, and one of them twice', 'a,b,c,d,e,f,g,h,i,j,a', ''],
  ['eleven tags', 'a,b,c,d,e,f,g,h,i,j,k', 'At most 10 tags.'],
  ['a tag of fifty', '🎨'.repeat(50), ''],
  ['a tag of fifty-one', 'x'.repeat(51), `“${'x'.repeat(51)}” is longer than 50 characters.`],
])('%s', (_name, tags, want) => {
  expect(tagProblem(tags)).toBe(want);
});
