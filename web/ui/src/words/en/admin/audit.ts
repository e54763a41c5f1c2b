/** Who did what to whom. */
export const audit = {
  title: 'Audit',
};
