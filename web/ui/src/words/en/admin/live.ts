/** Who is live, as a table. */
export const live = {
  title: 'Live now',
  totals: { live: 'On air', reconnecting: 'Reconnecting', viewers: 'Viewers' },
  table: 'Live broadcasts',
  columns: {
    state: 'State',
    streamer: 'Streamer',
    room: 'Room',
    title: 'Title',
    category: 'Category',
    viewers: 'Viewers',
    peak: 'Peak',
    started: 'Started',
    onAirFor: 'On air for',
  },
  filter: 'Filter',
  filterLabel: 'Filter by streamer, room, title, category or tag',
  noMatch: (filter: string, all: number) => `Nothing matches “${filter}”. ${all} live in all.`,
  empty: 'Nobody is live.',
};
