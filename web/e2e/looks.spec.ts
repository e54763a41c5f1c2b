import { TallylightClient } from '../sdk/src/index.ts';
import { expect, test } from './fixtures.ts';
import { look } from './look.ts';
import type { TestPage } from './pages.ts';

/** Looks at the pages of several people at the same moment. */
async function lookAt(moment: string, people: Record<string, TestPage>): Promise<void> {
  for (const [name, person] of Object.entries(people)) await look(person, `${name}-${moment}`);
}

test('the pages before, during and after a broadcast: nothing is cut off, nothing is complained about', async ({ node, open }) => {
  test.setTimeout(240_000);
  const people = {
    studio: await open(node.links.studio),
    watch: await open(node.links.watch),
    live: await open(node.links.live),
    token: await open(node.links.watch.split('#')[0] ?? ''),
  };
  await people.watch.wantLamp('online');
  await expect(people.live.page.getByText('Nobody is live.')).toBeVisible();
  await lookAt('quiet', people);

  await people.studio.page.getByLabel('Category').fill('art');
  await people.studio.page.getByLabel('Language').fill('en');
  await people.studio.page.getByLabel('Tags').fill('ink, calm');
  await people.studio.goLive('Morning sketches by the harbour: ink, water and a very long title that has to wrap');
  await people.watch.wantLamp('live');
  await people.watch.say('Good morning!');
  await people.studio.say('Welcome, everybody. Today: the fishing boats, and an_unbroken_word_'.padEnd(160, 'x'));
  await expect(people.watch.chatLines).toHaveCount(3);
  const { token: _, ...during } = people;
  await lookAt('live', during);

  await people.studio.endBroadcast();
  await people.watch.wantLamp('ended');
  await lookAt('ended', { studio: people.studio, watch: people.watch });
  expect(people.studio.complaints).toEqual([]);
  await people.studio.page.close();

  // An app waits for longer than the studio does by itself: there is time to look.
  const app = new TallylightClient({ url: new URL(node.links.live).origin, token: node.links.studio.split('#token=')[1] ?? '' });
  const room = app.join('demo', { role: 'streamer' });
  void app.connect();
  await room.ready;
  await room.start({ title: 'From the app', window_ms: 600_000 });
  await people.watch.wantLamp('live');
  app.close();
  await people.watch.wantLamp('reconnecting');
  await lookAt('reconnecting', { watch: people.watch, live: people.live });
  for (const { complaints } of [people.watch, people.live, people.token]) expect(complaints).toEqual([]);
});
