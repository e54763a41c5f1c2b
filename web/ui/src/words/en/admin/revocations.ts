/** Tokens that are no longer taken. */
export const revocations = {
  title: 'Revocations',
};
