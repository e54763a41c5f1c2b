import { en } from './en/en.ts';

/** A table with the same entries as another, in whatever words. */
type Same<T> = T extends string
  ? string
  : T extends (...values: infer Values) => string
    ? (...values: Values) => string
    : { [Name in keyof T]: Same<T[Name]> };

/** All that the pages say. A language is one such table; the compiler names what one lacks. */
export type Words = Same<typeof en>;

/** The languages there are. Another one is a folder beside `en`, and a line here. */
const tables: Words[] = [en];

/** The first language of the reader's that there is a table for, or English. */
export function choose(wanted: readonly string[], among: readonly Words[] = tables): Words {
  for (const tag of wanted) {
    const language = tag.split('-')[0]?.toLowerCase();
    const table = among.find(({ language: { code } }) => code === language);
    if (table) return table;
  }
  return en;
}

/** The words for whoever reads this page. */
export const words: Words = choose(globalThis.navigator?.languages ?? []);

/** Tells browsers and screen readers which language the page is in. */
export function declareLanguage(): void {
  document.documentElement.lang = words.language.code;
}
