import type { Role } from '@tallylight/client';

/** What a token seems to allow in a room. It decides what the page offers; what is done the server decides. */
export interface Rights {
  /** The role to watch in. */
  role: Extract<Role, 'viewer' | 'moderator'>;
  moderates: boolean;
  /** Whether that goes for the room's streamer too. */
  overStreamer: boolean;
  chat: boolean;
  react: boolean;
  /** When the token ends, in Unix milliseconds. */
  expires?: number;
}

interface Grant {
  room: string;
  role: string;
  can?: string[];
}

interface Payload {
  exp?: number;
  grants?: Grant[];
  scope?: string;
}

/** Reads the rights out of a token. Of one that cannot be read nothing is known: a viewer's are taken. */
export function rightsIn(token: string, room: string): Rights {
  const { exp, grants = [], scope = '' } = payloadOf(token);
  const scopes = scope.split(' ');
  const admin = scopes.includes('admin');
  const here = grants.filter((grant) => covers(grant.room, room));
  const holds = (...roles: string[]) => here.some((grant) => roles.includes(grant.role));
  const role = admin || holds('moderator') ? 'moderator' : 'viewer';
  const counting = role === 'moderator' ? here.filter((grant) => grant.role === 'moderator') : here;
  const may = (action: string) =>
    admin || counting.length === 0 || counting.some(({ can }) => !can || can.some((pattern) => covers(pattern, action)));
  return {
    role,
    moderates: admin || scopes.includes('service') || holds('moderator', 'streamer'),
    overStreamer: admin || scopes.includes('service'),
    chat: may('chat'),
    react: may('react'),
    ...(typeof exp === 'number' && { expires: exp * 1000 }),
  };
}

/** A pattern is a word, or the beginning of words with `*` at its end. */
function covers(pattern: string, word: string): boolean {
  return pattern.endsWith('*') ? word.startsWith(pattern.slice(0, -1)) : pattern === word;
}

/** The payload of a JWT (RFC 7519), unchecked. */
function payloadOf(token: string): Payload {
  try {
    const encoded = (token.split('.')[1] ?? '').replaceAll('-', '+').replaceAll('_', '/');
    const bytes = Uint8Array.from(atob(encoded), (character) => character.charCodeAt(0));
    const payload: unknown = JSON.parse(new TextDecoder().decode(bytes));
    return typeof payload === 'object' && payload !== null ? sound(payload) : {};
  } catch {
    return {};
  }
}

/** The parts of a payload that have the form they should have. */
function sound({ exp, grants, scope }: { exp?: unknown; grants?: unknown; scope?: unknown }): Payload {
  return {
    ...(typeof exp === 'number' && { exp }),
    ...(typeof scope === 'string' && { scope }),
    grants: Array.isArray(grants) ? grants.filter(isGrant) : [],
  };
}

function isGrant(value: unknown): value is Grant {
  if (typeof value !== 'object' || value === null) return false;
  const { room, role, can } = value as Partial<Record<keyof Grant, unknown>>;
  const isCan = can === undefined || (Array.isArray(can) && can.every((action) => typeof action === 'string'));
  return typeof room === 'string' && typeof role === 'string' && isCan;
}
