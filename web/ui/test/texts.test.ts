import { parse, type AST } from 'svelte/compiler';
import { expect, test } from 'vitest';
import { choose, type Words } from '../src/words/words.ts';
import { en } from '../src/words/en/en.ts';

const components = Object.entries(import.meta.glob<string>('../src/**/*.svelte', { query: '?raw', import: 'default', eager: true }));

/** Attributes that somebody reads, or has read out. */
const spoken = ['title', 'placeholder', 'alt', 'label', 'data-label', 'aria-label', 'aria-description', 'aria-roledescription'];

/** Whether a text says something, in whatever language. */
const says = (text: string) => /\p{L}/u.test(text);
/** Whether a string of a program is one for people: words with a space between. Classes, paths and sizes are not. */
const isSentence = (text: string) => /^[^\d]*\p{L}{2,},? \p{L}/u.test(text);

type Node = { type: string; [key: string]: unknown };

/** What a component says that is not in the table. */
function untranslated(source: string): string[] {
  const { fragment, instance, module } = parse(source, { modern: true });
  const found: string[] = [];
  walk(fragment as unknown as Node, found);
  for (const script of [instance, module]) if (script) walk(script.content as unknown as Node, found);
  return found;
}

function walk(node: Node, found: string[]): void {
  if (node.type === 'Attribute') {
    const { name, value } = node as unknown as AST.Attribute;
    const text = Array.isArray(value) ? value.filter((part) => part.type === 'Text').map(({ data }) => data).join('') : '';
    if (spoken.includes(name) && says(text)) found.push(`${name}="${text}"`);
    if (name === 'class' || Array.isArray(value) === (text !== '')) return;
  }
  if (node.type === 'Text' && says(node['data'] as string)) found.push(node['data'] as string);
  if (node.type === 'Literal' && typeof node['value'] === 'string' && isSentence(node['value'])) found.push(node['value']);
  if (node.type === 'TemplateElement' && isSentence((node['value'] as { raw: string }).raw)) found.push((node['value'] as { raw: string }).raw);
  for (const child of Object.values(node)) {
    for (const each of Array.isArray(child) ? child : [child]) {
      if (typeof each === 'object' && each !== null && 'type' in each) walk(each as Node, found);
    }
  }
}

test.each(components)('all that %s says is in the table of words', (_name, source) => {
  expect(untranslated(source)).toEqual([]);
});

test('what is said beside the table is found', () => {
  expect(untranslated('<p class="a b" id="x">Hello <b>{name}</b></p>')).toEqual(['Hello ']);
  expect(untranslated('<input placeholder="Filter" aria-describedby="what is-wrong" />')).toEqual(['placeholder="Filter"']);
  expect(untranslated("<script>let a = 'No such thing';</script>{a ? `${a} too many things` : '—'}")).toEqual([' too many things', 'No such thing']);
});

test('the first language that there is a table for is taken', () => {
  const sv = { ...en, language: { code: 'sv', name: 'Svenska' } } satisfies Words;
  expect(choose(['fr', 'sv-FI', 'en'], [en, sv])).toBe(sv);
  expect(choose(['en-GB', 'sv'], [en, sv])).toBe(en);
  expect(choose([], [en, sv])).toBe(en);
  expect(choose(['fr'], [en, sv])).toBe(en);
});
