import { afterEach, expect, test, vi } from 'vitest';
import { Desk } from '../src/pages/admin/desk.svelte.ts';

afterEach(() => vi.unstubAllGlobals());

/** A dashboard for a token of which the server says this. */
async function deskFor(status: number, body: unknown): Promise<Desk> {
  const silent = new Promise<Response>(() => {});
  const answer = () => Promise.resolve(new Response(JSON.stringify(body), { status }));
  vi.stubGlobal('fetch', (path: string) => (path === '/v1/validate' ? answer() : silent));
  const desk = new Desk('token');
  await new Promise((done) => setTimeout(done));
  desk.close();
  return desk;
}

test.each(['directory', 'service', 'admin'])('scope %s opens the dashboard', async (scope) => {
  expect((await deskFor(200, { scopes: ['openid', scope] })).refusal).toBeUndefined();
});

test('a token for a room opens none, public directory or not', async () => {
  expect((await deskFor(200, { scopes: [] })).refusal?.message).toContain('scopes');
});

test('who is banned is told why, and nobody is for a server that does not answer', async () => {
  expect((await deskFor(403, { code: 'forbidden', detail: 'banned: shouting' })).refusal?.message).toBe('banned: shouting');
  expect((await deskFor(503, { code: 'unavailable' })).refusal).toBeUndefined();
});
