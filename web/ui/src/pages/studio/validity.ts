import type { Role } from '@tallylight/client';
import { Problem, request } from '../../api/request.ts';
import { words } from '../../words/words.ts';

/** What `GET /v1/validate` says of a good token. */
export interface Validity {
  user: { id: string; name: string };
  grants: { room: string; role: Role }[];
  expires_at: string;
}

/** Asks the server about a token; an answer that says no is one in words. Never rejects. */
export async function askAbout(token: string): Promise<Validity | string> {
  try {
    return (await (await request('/v1/validate', token)).json()) as Validity;
  } catch (error) {
    const { status, message } = error instanceof Problem ? error : { status: 0, message: '' };
    if (status === 401 || status === 403) return words.shared.token.refused(message);
    return status === 429 || status === 503 ? words.shared.token.busy : words.shared.token.unknown;
  }
}

/** What a token must be good for: the connection would take others too, and do less with them. */
export interface Wanted {
  room: string;
  /** Who is connected; nobody yet: anybody. */
  user: string | undefined;
  /** When the token ends that it is to follow (Unix milliseconds). */
  longerThan: number | undefined;
}

/** Why a good token is not the one that is wanted, in words. */
export function refusal({ user, grants, expires_at }: Validity, wanted: Wanted): string | undefined {
  if (wanted.user !== undefined && user.id !== wanted.user) return words.studio.token.otherUser(user.name);
  if (!grants.some(({ room, role }) => role === 'streamer' && covers(room, wanted.room))) return words.studio.forbidden(wanted.room);
  if (wanted.longerThan !== undefined && Date.parse(expires_at) <= wanted.longerThan) return words.studio.token.noLater;
  return undefined;
}

/** A grant is for a room, or with a `*` at its end for all that begin so. */
function covers(pattern: string, room: string): boolean {
  return pattern.endsWith('*') ? room.startsWith(pattern.slice(0, -1)) : room === pattern;
}
