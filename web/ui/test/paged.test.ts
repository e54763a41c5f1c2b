import { expect, test } from 'vitest';
import { Problem, type Page } from '../src/api/request.ts';
import { Paged } from '../src/parts/paged.svelte.ts';

interface Row {
  id: number;
  text?: string;
}

/** A list whose answers the test gives, one after the other. */
class Questions {
  readonly open: { after: string | undefined; answer: (page: Page<Row>) => void; fail: (error: unknown) => void }[] = [];
  refused: Problem | undefined;
  readonly list = new Paged<Row>({
    page: (after) => new Promise((answer, fail) => this.open.push({ after, answer, fail })),
    key: ({ id }) => String(id),
    unauthorized: (problem) => (this.refused = problem),
  });

  async answer(ids: number[], next?: string): Promise<void> {
    this.open.shift()?.answer({ data: ids.map((id) => ({ id })), ...(next !== undefined && { next }) });
    await settled();
  }

  async fail(error: unknown): Promise<void> {
    this.open.shift()?.fail(error);
    await settled();
  }

  get ids(): number[] {
    return this.list.rows.map(({ id }) => id);
  }
}

const settled = () => new Promise((done) => setTimeout(done));

test('pages come one below the other, each row once', async () => {
  const q = new Questions();
  expect(q.list.loaded).toBe(false);
  await q.answer([5, 4], 'a');
  expect([q.ids, q.list.next, q.list.loaded, q.list.loading]).toEqual([[5, 4], 'a', true, false]);
  void q.list.more();
  void q.list.more();
  expect(q.open.map(({ after }) => after), 'one page at a time').toEqual(['a']);
  await q.answer([4, 3]);
  expect([q.ids, q.list.next]).toEqual([[5, 4, 3], undefined]);
  await q.list.more();
  expect(q.open).toEqual([]);
});

test('what is new comes on top, and the older pages stay', async () => {
  const q = new Questions();
  await q.answer([5, 4], 'a');
  void q.list.more();
  await q.answer([3, 2], 'b');
  void q.list.refresh();
  await q.answer([6, 5], 'c');
  expect([q.ids, q.list.next]).toEqual([[6, 5, 4, 3, 2], 'b']);
});

test('if more has come than a page, nothing between is left out', async () => {
  const q = new Questions();
  await q.answer([5, 4], 'a');
  void q.list.refresh();
  await q.answer([9, 8], 'c');
  expect([q.ids, q.list.next]).toEqual([[9, 8], 'c']);
});

test('a list that begins anew forgets what is gone, and what it had asked before', async () => {
  const q = new Questions();
  await q.answer([5, 4], 'a');
  void q.list.more();
  void q.list.restart();
  await q.answer([3]);
  expect(q.ids, 'an answer that comes too late').toEqual([5, 4]);
  await q.answer([5], 'd');
  expect([q.ids, q.list.next]).toEqual([[5], 'd']);
  q.list.drop({ id: 5 });
  expect(q.ids).toEqual([]);
});

test('what went wrong is told, and can be tried again', async () => {
  const q = new Questions();
  await q.answer([5], 'a');
  void q.list.more();
  await q.fail(new TypeError('fetch failed'));
  expect([q.list.problem, q.list.loading, q.ids]).toEqual(['The server could not be reached.', false, [5]]);
  void q.list.retry();
  expect(q.open[0]?.after).toBe('a');
  await q.answer([4]);
  expect([q.list.problem, q.ids]).toEqual(['', [5, 4]]);
});

test('a token that may not is no error, one that is no good is told further', async () => {
  const q = new Questions();
  await q.fail(new Problem(403, 'forbidden', 'this takes a token with scope admin'));
  expect([q.list.forbidden, q.list.problem, q.refused]).toEqual([true, '', undefined]);
  void q.list.retry();
  await q.fail(new Problem(401, 'unauthorized', 'the token is expired'));
  expect(q.refused?.message).toBe('the token is expired');
  expect(q.list.problem).toBe('Your token is no longer accepted.');
});

test('nothing is taken after the end', async () => {
  const q = new Questions();
  q.list.close();
  await q.answer([5]);
  expect([q.ids, q.list.loaded]).toEqual([[], false]);
});
