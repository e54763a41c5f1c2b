/** How long something is to last. */
export const lasting = {
  label: 'For how long',
  minutes10: '10 minutes',
  hour: 'An hour',
  day: 'A day',
  week: 'A week',
  days30: '30 days',
  forever: 'Until it is lifted',
  custom: 'Until a time…',
  until: 'Until',
};
