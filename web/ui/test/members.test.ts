import type { Room } from '@tallylight/client';
import { expect, test } from 'vitest';
import { Members } from '../src/pages/admin/room/members.svelte.ts';

const member = (id: string) => ({ id, user: { id, name: id }, role: 'viewer' as const, joined_at: 0 });

test('of several pages one without an answer of a node is enough to say so', async () => {
  const pages = [
    { members: [member('ana')], next: 'ana', partial: true },
    { members: [member('ben')], next: 'ben', partial: false },
    { members: [member('cleo')], partial: false },
  ];
  let asked = 0;
  const room = { members: () => Promise.resolve(pages[asked++ % pages.length]) } as unknown as Room;
  const members = new Members(() => room);
  await members.refresh();
  expect([members.connections, members.more, members.partial]).toEqual([1, true, true]);
  asked = 0;
  members.showMore();
  await expect.poll(() => members.connections).toBe(2);
  expect(members.partial).toBe(true);

  asked = 1;
  await members.refresh();
  expect(members.people.map(({ id }) => id).sort()).toEqual(['ben', 'cleo']);
  expect([members.more, members.partial]).toEqual([false, false]);
  members.close();
});
