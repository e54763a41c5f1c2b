/** One room in detail. */
export const room = {
  title: 'Room',
};
