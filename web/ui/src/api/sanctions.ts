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

const of = (room: string) => `/v1/rooms/${encodeURIComponent(room)}`;

export function listBans(token: string, room: string, after?: string): Promise<Page<Sanction>> {
  return get(token, `${of(room)}/bans`, { after });
}

export function listMutes(token: string, room: string, after?: string): Promise<Page<Sanction>> {
  return get(token, `${of(room)}/mutes`, { after });
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

export function liftBan(token: string, { room, target }: Sanction): Promise<void> {
  return send(token, 'DELETE', `${of(room)}/bans/${encodeURIComponent(target)}`);
}

export function liftMute(token: string, { room, target }: Sanction): Promise<void> {
  return send(token, 'DELETE', `${of(room)}/mutes/${encodeURIComponent(target)}`);
}
