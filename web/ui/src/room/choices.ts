/** How long a mute, a kick or a ban may be made, in seconds; 0: without an end, or for a kick without any. */
export const terms = {
  mute: { choices: [60, 600, 3600, 86_400, 0], usual: 600 },
  kick: { choices: [0, 60, 600, 3600], usual: 0 },
  ban: { choices: [600, 3600, 86_400, 604_800, 0], usual: 86_400 },
} as const;

/** What is done to somebody for a time. */
export type TermAction = keyof typeof terms;

/** How slow chat may be made, in seconds. */
export const slowChoices = [0, 5, 10, 30, 60, 300];
