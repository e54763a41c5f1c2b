import type { LiveRow } from '../../api/request.ts';

/** Which broadcasts are looked for. Empty: all. */
export interface Wanted {
  q: string;
  /** A category's key. */
  category: string;
}

/** What is looked for stands in the address: it outlives a reload, and can be sent to somebody. */
export function wantedIn(query: string): Wanted {
  const parameters = new URLSearchParams(query);
  return { q: parameters.get('q') ?? '', category: categoryKey(parameters.get('category') ?? '') };
}

/** The query of an address with what is looked for in it; what else stands there stays. */
export function queryWith(query: string, { q, category }: Wanted): string {
  const parameters = new URLSearchParams(query);
  for (const [name, value] of Object.entries({ q: q.trim(), category })) {
    // The one and the other in this order, whichever was chosen first: one choice has one address.
    parameters.delete(name);
    if (value) parameters.append(name, value);
  }
  return parameters.size > 0 ? `?${parameters}` : '';
}

/** Streamers write categories as they like: Art and art are one. */
export const categoryKey = (category: string) => category.trim().toLowerCase();

/** Letters without their accents and in one case, so that "zoe" finds "Zoë". */
const plain = (text: string) => text.normalize('NFKD').replace(/\p{M}/gu, '').toLowerCase();

/** What is said about a row, made once: of ten thousand, few change before the next key is pressed. */
const saidAbout = new WeakMap<LiveRow, string>();

function said(row: LiveRow): string {
  const known = saidAbout.get(row);
  if (known !== undefined) return known;
  const { title, room, streamer, category, tags } = row;
  const made = plain([title, room, streamer.name, streamer.id, category, ...tags].join('\n'));
  saidAbout.set(row, made);
  return made;
}

/** Whether a broadcast is looked for: each word is somewhere in what is said about it. */
export function matcher({ q, category }: Wanted): (row: LiveRow) => boolean {
  const sought = plain(q).split(/\s+/).filter((word) => word !== '');
  return (row) => {
    if (category !== '' && categoryKey(row.category) !== category) return false;
    return sought.length === 0 || sought.every((word) => said(row).includes(word));
  };
}

export interface Category {
  key: string;
  name: string;
  count: number;
}

/** The categories of what is live, the most frequent first. */
export function categoriesOf(rows: readonly LiveRow[]): Category[] {
  const categories = new Map<string, Category>();
  for (const { category } of rows) {
    const key = categoryKey(category);
    if (key === '') continue;
    const name = category.trim();
    const known = categories.get(key) ?? { key, name, count: 0 };
    known.count++;
    // Of several ways to write it always the same one, and rather with a capital.
    if (name < known.name) known.name = name;
    categories.set(key, known);
  }
  return [...categories.values()].sort((a, b) => b.count - a.count || a.name.localeCompare(b.name));
}
