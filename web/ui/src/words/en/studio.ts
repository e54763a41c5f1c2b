/** The streamer's page. */
export const studio = {
  place: (room: string) => `Studio ${room}`,
  purpose: (room: string) => `broadcast in ${room}`,
  forbidden: (room: string) => `This token does not let you broadcast in ${room}.`,

  replaced: 'Another window took over',
  replacedWhy: 'This studio is open somewhere else, and that window has the broadcast now. Nothing was interrupted.',
  takeBack: 'Take it back',
  taken: 'The room is taken',

  silent: 'This window shows and sends nothing.',
  tryingOnAir: 'Your viewers are told that you are reconnecting. Trying to get back.',
  trying: 'Trying to get back.',
  standby: 'You are connected, and nobody sees you yet.',
  over: (reason: string) => `The broadcast is over${reason ? `: ${reason}` : ''}.`,

  goLive: 'Go live',
  goingLive: 'Going live…',
  end: 'End broadcast',
  ending: 'Ending…',

  viewers: 'Viewers',
  watchPage: 'Watch page',

  heartbeat: {
    title: 'Heartbeat',
    none: 'No connection',
    last: 'Last beat {ago} ago',
    waiting: 'Waiting for the first beat',
  },

  details: {
    form: 'About the broadcast',
    title: 'Title',
    category: 'Category',
    language: 'Language',
    languageHint: 'en',
    tags: 'Tags, with commas between',
    save: 'Save changes',
    saving: 'Saving…',
  },

  picture: {
    title: 'Picture',
    label: 'What you send',
    served: (viewers: number) => (viewers === 1 ? '{served} viewer gets it from you directly.' : '{served} viewers get it from you directly.'),
    none: 'Viewers get no picture from this page. Choose one, or send it with your broadcast app.',
    starting: 'Starting…',
    off: 'Off',
    sources: { camera: 'Camera', screen: 'Screen', test: 'Test picture' },
    /** By the names of the browser's errors. */
    problems: {
      NotAllowedError: 'The browser was not allowed to use it. Allow it beside the address, and choose again.',
      NotFoundError: 'There is no such device here.',
      NotReadableError: 'Another program is using it.',
      SecurityError: 'Browsers only give it to pages that come over https, or from this machine.',
    },
    problem: 'It could not be started. Choose again, or something else.',
  },
};
