/** The chat beside a stream. */
export const chat = {
  title: 'Chat',
  log: 'Messages',
  empty: 'Nobody has said anything yet.',
  say: 'Say something',
  send: 'Send',
  left: (characters: number) => `${characters} left`,
  tooMany: (characters: number) => `${characters} too many`,
  roles: { viewer: 'viewer', streamer: 'streamer', moderator: 'moderator' },
  onAir: (title: string) => (title ? `On air: ${title}` : 'On air'),
  offAir: (reason: string) => (reason ? `Off air: ${reason}` : 'Off air'),
};
