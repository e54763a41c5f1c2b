const figure = new Intl.NumberFormat('en');

/** Who is live. */
export const live = {
  place: 'Who is live',
  purpose: 'see who is live',
  refused: (message: string) => `This token does not open the list: ${message}.`,
  title: 'Live now',
  watching: '{viewers} watching',
  since: (time: string) => `since ${time}`,
  empty: 'Nobody is live. This page fills by itself when somebody goes on air.',

  search: 'Search titles, people, tags',
  category: 'Category',
  allCategories: (count: number) => `All categories (${figure.format(count)})`,
  categoryOf: (name: string, count: number) => `${name} (${figure.format(count)})`,
  live: (count: number) => (count === 1 ? '1 broadcast' : `${figure.format(count)} broadcasts`),
  matching: (count: number) => (count === 1 ? '1 broadcast matches' : `${figure.format(count)} broadcasts match`),
  nothing: 'Nothing that is live matches.',
  showAll: 'Show all',
  more: 'Show more',
  part: (shown: number, all: number) => `${figure.format(shown)} of ${figure.format(all)}`,
};
