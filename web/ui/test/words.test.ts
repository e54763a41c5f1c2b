import { closeRules, TallylightError } from '@tallylight/client';
import { expect, test } from 'vitest';
import { errorWords, stopWords } from '../src/words/problems.ts';

test('who is too fast is told when to try again', () => {
  expect(errorWords(new TallylightError('rate_limited', 'slow', 2300))).toBe('Too fast. Try again in 3 seconds.');
  expect(errorWords(new TallylightError('rate_limited', 'slow', 800))).toBe('Too fast. Try again in a second.');
});

test.each(['bad_request', 'x_new'])('a code without words (%s) is told in those of the server', (code) => {
  expect(errorWords(new TallylightError(code, 'no such thing'))).toContain('no such thing');
});

const final = Object.values(closeRules).filter(({ action }) => action !== 'return');

test.each(final)('an end by $name has words of its own', ({ name }) => {
  const words = stopWords({ code: name, message: 'because' });
  expect(words).toMatch(/\.$/);
  if (name !== 'unauthorized') expect(words).not.toContain('because');
});
