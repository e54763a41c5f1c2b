import { expect, test } from './fixtures.ts';

const bare = (link: string) => link.split('#')[0] ?? '';
const tokenIn = (link: string) => link.split('#token=')[1] ?? '';

test('the token leaves the address bar at once, and a reload still works', async ({ node, open }) => {
  const alice = await open(node.links.studio);
  await alice.wantLamp('online');
  expect(alice.page.url()).toBe(bare(node.links.studio));
  await alice.page.reload();
  await alice.wantLamp('online');
  expect(alice.page.url()).not.toContain('token');
});

for (const place of ['watch', 'studio', 'admin'] as const) {
  test(`${place} without a token asks for one, and says what is wrong with a bad one`, async ({ node, open }) => {
    const { page } = await open(bare(node.links[place]));
    const form = page.getByTestId('token-form');
    const field = page.getByLabel('Token or link');
    await expect(form).toBeVisible();

    await field.fill('not-a-token');
    await page.getByRole('button', { name: 'Continue' }).click();
    await expect(form.getByRole('alert')).toContainText('This token is refused');

    await field.fill(node.links[place]);
    await page.getByRole('button', { name: 'Continue' }).click();
    await expect(form).toBeHidden();
    await expect(page.getByTestId('connection')).toHaveText(/Connected|Up to date/);
  });

  test(`${place} with a forged token in the link says why it is refused`, async ({ node, open }) => {
    const forged = tokenIn(node.links[place]).replace(/[^.]+$/, 'AAAA');
    const { page } = await open(`${bare(node.links[place])}#token=${forged}`);
    await expect(page.getByTestId('token-form').getByRole('alert')).toContainText(/refused|does not open/);
    expect(page.url()).not.toContain('token');
  });
}

test('a token for something else is told so', async ({ node, open }) => {
  const viewer = await open(`${bare(node.links.studio)}#token=${tokenIn(node.links.watch)}`);
  await expect(viewer.page.getByRole('alert')).toContainText('does not let you broadcast');
  const streamer = await open(`${bare(node.links.admin)}#token=${tokenIn(node.links.studio)}`);
  await expect(streamer.page.getByRole('alert')).toContainText('does not open the dashboard');
});

test('a chat message that is too long or too fast is refused in words', async ({ node, open }) => {
  const bob = await open(node.links.watch);
  await bob.wantConnection('connected');
  await bob.page.getByLabel('Say something').fill('x'.repeat(450));
  await expect(bob.page.getByText('50 left')).toBeVisible();
  await bob.page.getByLabel('Say something').fill('x'.repeat(503));
  await expect(bob.page.getByText('3 too many')).toBeVisible();
  await expect(bob.page.getByRole('button', { name: 'Send' })).toBeDisabled();

  const refused = await bob.sayTooFast();
  await expect(bob.page.getByText(/Too fast\. Try again in/)).toBeVisible();
  await expect(bob.page.getByLabel('Say something'), 'what was typed is kept').toHaveValue(refused);
  await expect(bob.chatLines, 'all before it were said').toHaveCount(Number(refused) - 1);
});
