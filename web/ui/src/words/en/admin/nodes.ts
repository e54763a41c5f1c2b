/** The nodes of the service. */
export const nodes = {
  title: 'Nodes',
};
