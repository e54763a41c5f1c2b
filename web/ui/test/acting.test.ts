import { expect, test } from 'vitest';
import { Problem } from '../src/api/request.ts';
import { Acting } from '../src/parts/acting.svelte.ts';
import { problemWords } from '../src/words/api.ts';

test('one thing is done at a time', async () => {
  const acting = new Acting();
  let end = () => {};
  const first = acting.run(() => new Promise<void>((resolve) => (end = resolve)));
  expect(acting.pending).toBe(true);
  expect(await acting.run(() => Promise.reject(new Error('it was begun')))).toBe(false);
  expect(acting.problem).toBe('');
  end();
  expect(await first).toBe(true);
  expect(acting.pending).toBe(false);
});

test('what went wrong is told until the next thing is done', async () => {
  const acting = new Acting();
  expect(await acting.run(() => Promise.reject(new TypeError('fetch failed')))).toBe(false);
  expect([acting.problem, acting.pending]).toEqual(['The server could not be reached.', false]);
  await acting.run(() => Promise.resolve());
  expect(acting.problem).toBe('');
});

test.each([
  [new Problem(400, 'bad_request', 'url "x" is not one'), 'The server said no: url "x" is not one.'],
  [new Problem(403, 'forbidden', 'this takes a token with scope admin'), 'The server said no: this takes a token with scope admin.'],
  [new Problem(401, 'unauthorized', 'the token is expired'), 'Your token is no longer accepted.'],
  [new Problem(503, 'unavailable', 'the database'), 'The server cannot do this right now. Try again.'],
  [new Problem(502, 'unknown', 'status 502'), 'Something went wrong on the server. Try again.'],
  [new Error('a mistake of ours'), 'Something went wrong on this page. Reload it.'],
])('%s is told as it should be', (error, want) => {
  expect(problemWords(error)).toBe(want);
});
