/** Who is kept out, and who may not speak. */
export const bans = {
  title: 'Bans',
};
