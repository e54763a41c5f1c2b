/** The broadcasts that have ended. */
export const broadcasts = {
  title: 'Broadcasts',
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
};
