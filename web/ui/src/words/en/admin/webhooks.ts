/** Who is told by webhooks, and how that goes. */
export const webhooks = {
  title: 'Webhooks',
};
