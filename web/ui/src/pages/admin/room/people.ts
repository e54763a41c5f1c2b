import type { Member, Role } from '@tallylight/client';

/** A user in a room, over however many connections. */
export interface Person {
  id: string;
  name: string;
  /** Most important first. */
  roles: Role[];
  connections: number;
}

const rank: Role[] = ['streamer', 'moderator', 'viewer'];
const { compare } = new Intl.Collator(undefined, { numeric: true, sensitivity: 'base' });

/** The members of a room by user: the streamer first, then who moderates, then by name. */
export function peopleOf(members: Member[]): Person[] {
  const people = new Map<string, Person>();
  for (const { user, role } of members) {
    const person = people.get(user.id) ?? { id: user.id, name: user.name || user.id, roles: [], connections: 0 };
    if (!person.roles.includes(role)) person.roles.push(role);
    person.connections++;
    people.set(user.id, person);
  }
  for (const { roles } of people.values()) roles.sort((a, b) => rank.indexOf(a) - rank.indexOf(b));
  const first = ({ roles }: Person) => rank.indexOf(roles[0]!);
  return [...people.values()].sort((a, b) => first(a) - first(b) || compare(a.name, b.name) || (a.id < b.id ? -1 : 1));
}
