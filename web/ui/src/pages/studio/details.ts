import type { BroadcastDetails } from '@tallylight/client';
import { words } from '../../words/words.ts';

/** What a streamer types about a broadcast. */
export interface Details {
  title: string;
  category: string;
  language: string;
  /** Separated by commas. */
  tags: string;
}

export const noDetails: Details = { title: '', category: '', language: '', tags: '' };

/** As the protocol allows. */
const most = { tags: 10, tag: 50 };

/** What the form shows of a broadcast that runs already. */
export function detailsOf({ title = '', category = '', language = '', tags = [] }: BroadcastDetails): Details {
  return { title, category, language, tags: tags.join(', ') };
}

/** What is sent. An empty field is sent as well, so that it can be emptied. */
export function asBroadcast({ title, category, language, tags }: Details): Required<BroadcastDetails> {
  return { title: title.trim(), category: category.trim(), language: language.trim(), tags: tagsIn(tags) };
}

function tagsIn(text: string): string[] {
  const all = text.split(',').map((tag) => tag.trim()).filter((tag) => tag !== '');
  return [...new Set(all)];
}

/** What the server would refuse, in words; empty when there is nothing. */
export function tagProblem(text: string): string {
  const tags = tagsIn(text);
  if (tags.length > most.tags) return words.studio.details.tooManyTags(most.tags);
  // As the server counts: code points, not UTF-16 units.
  const long = tags.find((tag) => [...tag].length > most.tag);
  return long === undefined ? '' : words.studio.details.longTag(long, most.tag);
}
