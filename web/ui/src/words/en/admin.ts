/** The dashboard. */
export const admin = {
  place: 'Admin',
  purpose: 'see the dashboard',
  refused: (message: string) => `This token does not open the dashboard: ${message}.`,

  totals: { live: 'On air', reconnecting: 'Reconnecting', viewers: 'Viewers' },

  live: {
    title: 'Live now',
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
  },

  ended: {
    title: 'Ended',
    table: 'Ended broadcasts',
    columns: {
      streamer: 'Streamer',
      room: 'Room',
      title: 'Title',
      reason: 'Reason',
      peak: 'Peak',
      started: 'Started',
      ended: 'Ended',
      lasted: 'Lasted',
    },
    older: 'Show older',
    empty: 'No broadcast has ended yet.',
    problem: (message: string) => `The record cannot be shown: ${message}.`,
    unreachable: 'The record could not be loaded.',
  },
};
