import { request, type Page } from './request.ts';

/** `GET /v1/rooms/{room}`. */
export interface RoomState {
  room: string;
  state: 'offline' | 'online' | 'live' | 'reconnecting';
  streamer?: { id: string; name?: string };
  viewers: number;
}

/** A mute or a ban. */
export interface Sanction {
  room: string;
  /** What lifts it again. */
  target: string;
  user?: string;
  ip?: string;
  reason?: string;
  actor: string;
  created_at: string;
  /** Absent if it lasts until it is lifted. */
  expires_at?: string;
}

export type SanctionKind = 'bans' | 'mutes';

/** How many connections viewed a broadcast, minute by minute. */
export interface ViewersAt {
  at: string;
  viewers: number;
}

const part = encodeURIComponent;
const inRoom = (room: string, rest: string) => `/v1/rooms/${part(room)}/${rest}`;

async function send(token: string, method: string, path: string, body?: unknown): Promise<void> {
  await request(path, token, {
    method,
    ...(body !== undefined && { body: JSON.stringify(body), headers: { 'Content-Type': 'application/json' } }),
  });
}

export async function getRoom(token: string, room: string): Promise<RoomState> {
  return (await request(`/v1/rooms/${part(room)}`, token)).json() as Promise<RoomState>;
}

/** The viewers of a broadcast since its beginning. */
export async function getViewers(token: string, broadcast: string): Promise<ViewersAt[]> {
  const record = (await (await request(`/v1/broadcasts/${part(broadcast)}`, token)).json()) as { viewers?: ViewersAt[] };
  return record.viewers ?? [];
}

/** Ends what a streamer broadcasts in a room. */
export function endBroadcast(token: string, streamer: string, room: string, reason = ''): Promise<void> {
  return send(token, 'POST', `/v1/streamers/${part(streamer)}/end`, { room, ...(reason && { reason }) });
}

export async function getSanctions(token: string, room: string, kind: SanctionKind, after?: string): Promise<Page<Sanction>> {
  const query = new URLSearchParams({ first: '50', ...(after !== undefined && { after }) });
  return (await request(`${inRoom(room, kind)}?${query}`, token)).json() as Promise<Page<Sanction>>;
}

/** Lifts a mute or a ban. */
export function lift(token: string, room: string, kind: SanctionKind, target: string): Promise<void> {
  return send(token, 'DELETE', inRoom(room, `${kind}/${part(target)}`));
}

/** Whom an act of moderation is about, and how. `seconds` is how long it lasts; without, a kick is over at once, and the rest stays until it is lifted. */
export interface Act {
  target: string;
  reason: string;
  seconds?: number;
}

export function kick(token: string, room: string, { target, ...how }: Act): Promise<void> {
  return send(token, 'POST', inRoom(room, 'kick'), { user: target, ...how });
}

export function mute(token: string, room: string, { target, ...how }: Act): Promise<void> {
  return send(token, 'POST', inRoom(room, 'mute'), { user: target, ...how });
}

/** Bans a user, or an address: `ip:` and the address. */
export function ban(token: string, room: string, { target, reason, seconds }: Act): Promise<void> {
  const who = target.startsWith('ip:') ? { ip: target.slice(3) } : { user: target };
  const until = seconds !== undefined && { expires_at: new Date(Date.now() + seconds * 1000).toISOString() };
  return send(token, 'POST', inRoom(room, 'bans'), { ...who, reason, ...until });
}

export function setSlow(token: string, room: string, seconds: number): Promise<void> {
  return send(token, 'PUT', inRoom(room, 'settings'), { slow_seconds: seconds });
}

export function deleteLine(token: string, room: string, offset: number): Promise<void> {
  return send(token, 'DELETE', inRoom(room, `events/${offset}`));
}
