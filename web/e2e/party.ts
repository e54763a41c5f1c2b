import { TallylightClient, type Role, type Room } from '../sdk/src/index.ts';
import * as jose from 'jose';

/** What the nodes of a party share, so that tests can mint tokens for as many people as they need. */
export const secret = 'the secret of a party, which has 32 bytes';

/** A token with one role in all rooms, or with a scope. */
export async function tokenFor(user: string, claims: { role?: Role; scope?: string }): Promise<string> {
  const { role, scope } = claims;
  return new jose.SignJWT({ name: user, ...(role && { grants: [{ room: '*', role }] }), ...(scope && { scope }) })
    .setProtectedHeader({ alg: 'HS256' })
    .setSubject(user)
    .setIssuedAt()
    .setExpirationTime('1h')
    .sign(new TextEncoder().encode(secret));
}

/** People with apps instead of browsers. */
export class Party {
  readonly #origin: string;
  readonly #clients: TallylightClient[] = [];

  constructor(link: string) {
    this.#origin = new URL(link).origin;
  }

  /** Somebody joins rooms over one connection, and resolves when they are there. */
  async join(user: string, role: Role, rooms: string[]): Promise<Room[]> {
    const client = new TallylightClient({ url: this.#origin, token: await tokenFor(user, { role }) });
    this.#clients.push(client);
    const joined = rooms.map((room) => client.join(room, { role }));
    void client.connect();
    await Promise.all(joined.map(({ ready }) => ready));
    return joined;
  }

  /** Somebody goes on air in a room. */
  async goLive(user: string, room: string, details: { title: string; category: string }): Promise<Room> {
    const [joined] = await this.join(user, 'streamer', [room]);
    await joined!.start(details);
    return joined!;
  }

  close(): void {
    for (const client of this.#clients) client.close();
  }
}
