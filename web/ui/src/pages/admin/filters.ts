/** What a list is narrowed by, as it stands in the address: `#/audit/room=alice&actor=bob`. Empty ones narrow nothing. */
export type Filters<Name extends string> = Record<Name, string>;

/** The filters that the subject of a view names. */
export function filtersIn<Name extends string>(subject: string, names: readonly Name[]): Filters<Name> {
  const given = new URLSearchParams(subject);
  return Object.fromEntries(names.map((name) => [name, given.get(name)?.trim() ?? ''])) as Filters<Name>;
}

/** The subject that names these filters; undefined where there are none. */
export function subjectOf(filters: Partial<Record<string, string>>): string | undefined {
  const given = Object.entries(filters).flatMap(([name, value]) => (value?.trim() ? [[name, value.trim()]] : []));
  return given.length > 0 ? new URLSearchParams(given).toString() : undefined;
}

/** Whether a subject names filters, and not one thing. */
export const namesFilters = (subject: string) => subject === '' || subject.includes('=');
