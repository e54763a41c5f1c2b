import { get, send, type Page } from './request.ts';

/** The whole service, where a room could stand. */
export const everywhere = '*';

/** A ban or a mute. */
export interface Sanction {
  /** `*`: everywhere. */
  room: string;
  /** What lifts it again. */
  target: string;
  /** One of these two. */
  user?: string;
  ip?: string;
  reason?: string;
  actor: string;
  created_at: string;
  /** Not there if it lasts until it is lifted. */
  expires_at?: string;
}

export type SanctionKind = 'bans' | 'mutes';

const of = (room: string) => `/v1/rooms/${encodeURIComponent(room)}`;

export function listSanctions(token: string, kind: SanctionKind, room: string, after?: string): Promise<Page<Sanction>> {
  return get(token, `${of(room)}/${kind}`, { after });
}

export function lift(token: string, kind: SanctionKind, { room, target }: Pick<Sanction, 'room' | 'target'>): Promise<void> {
  return send(token, 'DELETE', `${of(room)}/${kind}/${encodeURIComponent(target)}`);
}

/** Who is banned: a user, or an address. */
export type BanTarget = { user: string } | { ip: string };

/** Bans until a time; without one, until it is lifted. */
export function ban(token: string, room: string, target: BanTarget, reason: string, until?: Date): Promise<Sanction> {
  return send(token, 'POST', `${of(room)}/bans`, { ...target, reason, ...(until && { expires_at: until.toISOString() }) });
}

/** Mutes for so many seconds; 0: until it is lifted. */
export function mute(token: string, room: string, user: string, reason: string, seconds: number): Promise<Sanction> {
  return send(token, 'POST', `${of(room)}/mute`, { user, reason, seconds });
}

/** Puts somebody out, and keeps them out for so many seconds; 0: they may be back at once. */
export function kick(token: string, room: string, user: string, reason: string, seconds: number): Promise<void> {
  return send(token, 'POST', `${of(room)}/kick`, { user, reason, seconds });
}
