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
  newLines: (count: number) => (count === 1 ? '1 new message' : `${count} new messages`),

  /** What moderators did, as lines between the others. A time is "10 minutes", or nothing if there is no end. */
  deeds: {
    muted: (name: string, time: string, why: string) => `${name} was muted${time && ` for ${time}`}${why && `: ${why}`}`,
    unmuted: (name: string) => `${name} may speak again`,
    banned: (name: string, time: string, why: string) => `${name} was banned${time && ` for ${time}`}${why && `: ${why}`}`,
    kicked: (name: string) => `${name} was put out of the room.`,
    unbanned: (name: string) => `${name} may come back.`,
  },

  /** In the place of the field, for who may not write. */
  muted: (until: string, why: string) => `You are muted${until && ` until ${until}`}${why && `: ${why}`}. You still see everything.`,
  readOnly: 'Your link lets you read, and not write.',

  slow: {
    title: 'Slow mode',
    hint: (time: string) => `Slow mode: everybody may say one line in ${time}.`,
    wait: 'You may speak again in {wait} s.',
    exempt: 'You need not wait: you moderate this room.',
    begins: (time: string) => `Chat is slow now: one line in ${time} each`,
    ends: 'Chat is as fast as before',
    button: (time: string) => (time ? `Slow: ${time}` : 'Slow mode'),
    text: 'How long everybody waits between two lines of theirs. Moderators need not wait.',
    label: 'One line in',
    off: 'No waiting',
    set: 'Set',
  },

  menu: {
    open: (name: string) => `Moderate ${name}`,
    title: (name: string) => `Moderate ${name}`,
    delete: 'Delete line…',
    mute: 'Mute…',
    kick: 'Kick…',
    ban: 'Ban…',
    unmute: 'Unmute',
    unban: 'Lift the ban',
  },

  remove: {
    title: 'Delete this line?',
    text: (name: string, line: string) => `${name}: “${line}” vanishes for everybody.`,
    action: 'Delete line',
  },

  mute: {
    title: (name: string) => `Mute ${name}`,
    text: 'They see and hear everything, and can neither write nor react in this room.',
    action: 'Mute',
    endless: 'Until somebody unmutes them',
  },
  kick: {
    title: (name: string) => `Kick ${name}`,
    text: 'They are put out of this room. If they broadcast in it, that ends.',
    action: 'Kick',
    endless: 'They may come back at once',
  },
  ban: {
    title: (name: string) => `Ban ${name}`,
    text: 'They are put out of this room, and cannot come back before the ban ends.',
    action: 'Ban',
    endless: 'Until somebody lifts it',
  },
  howLong: 'For how long',
  why: 'Why',
  whyHint: 'They are told, and others may be.',

  reactions: {
    title: 'React',
    kinds: { '❤️': 'Heart', '😂': 'Laughter', '😍': 'Delight', '😮': 'Surprise', '😢': 'Tears', '⚡': 'Energy' },
    cooling: 'A short breath…',
    muted: 'You are muted.',
  },
};
