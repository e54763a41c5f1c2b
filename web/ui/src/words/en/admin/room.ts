const { format } = new Intl.NumberFormat('en');

const because = (reason = '') => (reason ? `: ${reason}` : '');
const till = (until = '') => (until ? ` until ${until}` : '');

/** One room in detail. */
export const room = {
  title: 'Room',
  which: 'Room id',
  open: 'Open',
  whichWhy: 'Every room can be looked into, whether somebody is live in it or not.',
  back: 'Live now',
  watch: 'Watch',
  watchLabel: (room: string) => `Watch ${room}`,
  present: 'You are here as a moderator. You do not count as a viewer.',
  refused: { title: 'This room cannot be followed', text: (message: string) => `The server said no: ${message}. What is shown is as far as it is known.` },

  facts: {
    title: 'Broadcast',
    streamer: 'Streamer',
    category: 'Category',
    language: 'Language',
    tags: 'Tags',
    onAirFor: 'On air for',
    viewers: 'Viewers',
    peak: 'Peak',
    window: 'Ends unless they are back in',
    why: 'Gone because of',
    none: 'Nobody broadcasts here at the moment.',
    standby: 'The streamer is here, and not on air.',
  },
  number: format,
  chart: {
    label: 'Viewers',
    summary: (now: number | null, most: number, since: string) =>
      `Viewers: ${now === null ? 'not known' : format(now)} now, ${format(most)} at most since ${since}`,
  },

  members: {
    title: 'Members',
    table: 'Who is in the room',
    columns: { who: 'Who', roles: 'As', connections: 'Connections', actions: 'Actions' },
    count: (shown: number) => (shown === 1 ? '1 user' : `${format(shown)} users`),
    more: 'Show more',
    tooMany: (shown: number) => `Only the first ${format(shown)} connections are shown.`,
    partial: 'A node did not answer: somebody may be missing.',
    filter: 'Filter members',
    you: 'you',
    empty: 'Nobody is here.',
    noMatch: 'Nobody here matches this filter.',
  },

  events: {
    title: 'Events',
    list: 'What happens in the room, newest first',
    kind: 'Which events',
    kinds: { all: 'Everything', chat: 'Chat', broadcast: 'Broadcast', moderation: 'Moderation', application: 'Application' },
    empty: 'Nothing has happened yet.',
    gap: 'The connection was lost for a while. What happened meanwhile is not shown.',
    service: 'Tallylight',
    deleted: 'deleted',
    delete: 'Delete',
    deleteLabel: (who: string, text: string) => `Delete what ${who} said: ${text}`,
    says: {
      online: (who: string) => `${who} joined as streamer`,
      offline: (who: string) => `${who} is gone`,
      started: (title: string) => `On air${because(title)}`,
      updated: (title: string) => `Changed what the broadcast says of itself${because(title)}`,
      reconnecting: (reason: string) => `Reconnecting${because(reason)}`,
      resumed: 'Back on air',
      ended: (reason: string) => `Off air${because(reason)}`,
      deletedLine: 'A line of chat was deleted',
      muted: (who: string, until?: string, reason?: string) => `${who} is muted${till(until)}${because(reason)}`,
      unmuted: (who: string) => `${who} may speak again`,
      banned: (who: string, until?: string, reason?: string) => `${who} is banned${till(until)}${because(reason)}`,
      slow: (seconds: number) => (seconds === 0 ? 'Chat is no longer slow' : `Chat is slow: one line in ${seconds} s`),
    },
  },

  chat: {
    title: 'Slow chat',
    label: 'Everybody may say one line in',
    seconds: (seconds: number) => (seconds === 0 ? 'as they like' : seconds < 60 ? `${seconds} seconds` : `${Math.round((seconds / 60) * 10) / 10} min`),
  },

  sanctions: {
    bans: { title: 'Bans', empty: 'Nobody is banned from this room.', lift: 'Unban', add: 'Ban somebody…' },
    mutes: { title: 'Mutes', empty: 'Nobody is muted in this room.', lift: 'Unmute', add: 'Mute somebody…' },
    everywhere: 'What holds in all rooms is under Bans.',
    until: (time: string) => `until ${time}`,
    open: 'until lifted',
    by: (actor: string) => `by ${actor}`,
    more: 'Show more',
    liftLabel: { bans: (who: string) => `Unban ${who}`, mutes: (who: string) => `Unmute ${who}` },
    lifting: {
      bans: { title: (who: string) => `Unban ${who}?`, text: (room: string) => `They may come back to ${room} at once.` },
      mutes: { title: (who: string) => `Unmute ${who}?`, text: (room: string) => `They may speak in ${room} again at once.` },
    },
  },

  acts: {
    kick: { verb: 'Kick', title: (who: string) => `Kick ${who}?`, text: (room: string) => `Their connections to ${room} are closed, and their broadcast there ends.` },
    mute: { verb: 'Mute', title: (who: string) => `Mute ${who}?`, text: (room: string) => `They stay in ${room}, but can say nothing there.` },
    ban: { verb: 'Ban', title: (who: string) => `Ban ${who}?`, text: (room: string) => `Their connections to ${room} are closed, their broadcast there ends, and they cannot come back.` },
    end: { verb: 'End broadcast', title: (who: string) => `End the broadcast of ${who}?`, text: (room: string) => `It ends for everybody in ${room} at once. The streamer stays connected and may begin another.` },
    somebody: 'somebody',
    label: (verb: string, who: string) => `${verb} ${who}`,
    who: { user: 'User id', any: 'User id, or ip: and an address' },
    reason: 'Reason',
    reasonHint: 'They are told',
    lasts: 'For how long',
    lasting: {
      once: 'They may come back at once',
      '600': '10 minutes',
      '3600': '1 hour',
      '86400': '1 day',
      '604800': '7 days',
      '2592000': '30 days',
      lifted: 'Until it is lifted',
    },
    deleting: { title: 'Delete this line?', text: (who: string, line: string) => `“${line}”, said by ${who}, disappears for everybody.`, action: 'Delete' },
    done: {
      kick: (who: string) => `${who} was kicked.`,
      mute: (who: string) => `${who} is muted.`,
      ban: (who: string) => `${who} is banned.`,
      end: (who: string) => `The broadcast of ${who} has ended.`,
      lift: (who: string) => `${who} was let off.`,
    },
  },
};
