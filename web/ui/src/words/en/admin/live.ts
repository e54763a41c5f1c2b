const { format } = new Intl.NumberFormat('en');

/** Who is live, as a table. */
export const live = {
  title: 'Live now',
  totals: { live: 'On air', reconnecting: 'Reconnecting', viewers: 'Viewers' },
  charts: {
    live: 'On air',
    viewers: 'Viewers',
    open: 'Over time',
    heading: (since: string) => `Since ${since}`,
    summary: (what: string, now: number | null, most: number, since: string) =>
      `${what}: ${now === null ? 'not known' : format(now)} now, ${format(most)} at most since ${since}`,
  },
  table: 'Live broadcasts',
  columns: {
    state: 'State',
    streamer: 'Streamer',
    room: 'Room',
    title: 'Title',
    category: 'Category',
    viewers: 'Viewers',
    peak: 'Peak',
    onAirFor: 'On air for',
    actions: 'Actions',
  },
  number: format,
  filter: 'Filter',
  filterLabel: 'Filter by streamer, room, title, category or tag',
  state: 'State',
  states: { any: 'Any state', live: 'On air', reconnecting: 'Reconnecting' },
  category: 'Category',
  anyCategory: 'Any category',
  sortBy: 'Sort by',
  sortedBy: (column: string) => `By ${column.toLowerCase()}`,
  turn: 'The other way round',
  count: (shown: number, all: number) => (shown === all ? `${format(all)} live` : `${format(shown)} of ${format(all)}`),
  held: 'The order stays while you are in the table.',
  noMatch: (all: number) => `Nothing matches this filter. ${format(all)} live in all.`,
  clear: 'Clear the filter',
  empty: 'Nobody is live.',

  onAirSince: (time: string) => `On air since ${time}`,
  atMost: (viewers: number) => `${format(viewers)} at most`,
  watching: (viewers: number) => `${format(viewers)} watching`,
  watch: 'Watch',
  end: 'End',
  endLabel: (who: string) => `End the broadcast of ${who}`,
  watchLabel: (room: string) => `Watch ${room}`,
  ending: {
    title: (who: string) => `End the broadcast of ${who}?`,
    text: (room: string) => `It ends for everybody in ${room} at once, with the reason “ended by an administrator”. The streamer stays connected and may begin another.`,
    action: 'End broadcast',
    failed: (who: string, message: string) => `The broadcast of ${who} was not ended: ${message}.`,
    unreachable: (who: string) => `The server could not be reached. The broadcast of ${who} may still be running.`,
  },

  /** Read out, and not shown. */
  announce: {
    began: (who: string) => `${who} is on air.`,
    ended: (who: string) => `${who} is off air.`,
    lost: (who: string) => `${who} is reconnecting.`,
    resumed: (who: string) => `${who} is back on air.`,
    many: (began: number, ended: number) => `${format(began)} went on air, ${format(ended)} went off air.`,
  },
};
