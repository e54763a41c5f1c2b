/** Who is live. */
export const live = {
  place: 'Who is live',
  purpose: 'see who is live',
  refused: (message: string) => `This token does not open the list: ${message}.`,
  title: 'Live now',
  watching: '{viewers} watching',
  since: (time: string) => `since ${time}`,
  empty: 'Nobody is live. This page fills by itself when somebody goes on air.',
};
