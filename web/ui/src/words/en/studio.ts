/** The streamer's page. */
export const studio = {
  place: (room: string) => `Studio ${room}`,
  purpose: (room: string) => `broadcast in ${room}`,
  forbidden: (room: string) => `This token does not let you broadcast in ${room}.`,

  replaced: 'Another window took over',
  replacedWhy: 'This studio is open somewhere else, and that window has the broadcast now. Nothing was interrupted.',
  takeBack: 'Take it back',
  taken: 'The room is taken',
  /** What a moderator said, below what happened. */
  until: (time: string) => `You can come back after ${time}.`,
  because: (why: string) => `The reason given: ${why}.`,

  silent: 'This window sends nothing.',
  needsToken: 'A new token brings you back.',
  needsTokenOnAir: 'Your viewers are told that you are reconnecting. A new token brings you back.',
  tryingOnAir: 'Your viewers are told that you are reconnecting. Trying to get back.',
  trying: 'Trying to get back.',
  standby: 'You are connected, and nobody sees you yet.',
  over: (reason: string) => `The broadcast is over${reason ? `: ${reason}` : ''}.`,
  elapsed: 'Time on air',

  goLive: 'Go live',
  goingLive: 'Going live…',
  end: 'End broadcast',
  ending: 'Ending…',
  endTitle: 'End this broadcast?',
  endWhy: 'All viewers are told that it is over. It cannot be taken up again: going live once more begins another broadcast.',
  /** What is not there yet; one can go live without. */
  missing: {
    lead: 'You can go live as it is:',
    title: 'There is no title yet. Viewers read “Untitled broadcast”.',
    picture: 'There is no picture from this page. Choose one, or send it with your broadcast app.',
    sound: 'There is no sound.',
  },

  audience: {
    title: 'Viewers',
    most: '{most} at most since {since}',
    waiting: 'The curve begins in a moment.',
    summary: (now: number, most: number) => `Viewers over time: ${now} now, ${most} at most`,
    watchPage: 'Watch page',
  },

  heartbeat: {
    title: 'Heartbeat',
    none: 'No connection',
    last: 'Last beat {ago} ago',
    next: 'next in {next}',
    due: 'next one is due',
    waiting: 'Waiting for the first beat',
    history: (count: number, least: number, most: number) => `The last ${count} round trips: between ${least} and ${most} ms`,
  },

  details: {
    form: 'About the broadcast',
    title: 'Title',
    category: 'Category',
    language: 'Language',
    languageHint: 'en',
    tags: 'Tags, with commas between',
    tooManyTags: (most: number) => `At most ${most} tags.`,
    longTag: (tag: string, most: number) => `“${tag}” is longer than ${most} characters.`,
    save: 'Save changes',
    saving: 'Saving…',
    more: 'More',
    window: 'If your connection is lost',
    windowWhy: 'Viewers see “Reconnecting” and a countdown. If you are back in time, the broadcast goes on as if nothing had been; if not, it ends.',
    windowSet: 'Chosen when you go live: it cannot be changed while you are on air.',
    windows: {
      0: 'End at once',
      15: 'Wait 15 seconds, as usual',
      60: 'Wait a minute',
      300: 'Wait 5 minutes',
      900: 'Wait 15 minutes',
      1800: 'Wait half an hour',
    },
  },

  picture: {
    title: 'Picture',
    label: 'What you send',
    served: (viewers: number) => (viewers === 1 ? '{served} viewer gets it from you directly.' : '{served} viewers get it from you directly.'),
    preview: 'Only you see this. Viewers do when you are live.',
    none: 'No picture yet. Choose one below, or send it with your broadcast app.',
    noPicture: 'Sound only: there is no camera.',
    hiddenNow: 'Hidden: viewers see a black picture.',
    starting: 'Starting…',
    off: 'Off',
    choose: 'What to show',
    sources: { camera: 'Camera', screen: 'Screen', test: 'Test picture' },
    hide: 'Hide picture',
    show: 'Show picture',
    mute: 'Mute microphone',
    unmute: 'Unmute microphone',
    /** By the names of the browser's errors. */
    problems: {
      NotAllowedError: 'The browser was not allowed to use it. Allow it beside the address, and choose again.',
      NotFoundError: 'There is no such device here.',
      NotReadableError: 'Another program is using it.',
      SecurityError: 'Browsers only give it to pages that come over https, or from this machine.',
    },
    problem: 'It could not be started. Choose again, or something else.',
    lost: 'The camera is gone. Is it still plugged in?',
    microphoneLost: 'The microphone is gone. Is it still plugged in?',
  },

  devices: {
    camera: 'Camera',
    microphone: 'Microphone',
    noMicrophone: 'None',
    /** Nothing was chosen, and nothing runs yet. */
    any: 'Chosen by the browser',
    /** For devices whose names the browser does not tell. */
    cameraNumber: (n: number) => `Camera ${n}`,
    microphoneNumber: (n: number) => `Microphone ${n}`,
    later: 'Once the browser lets this page use your camera, you can choose among all cameras and microphones here.',
  },

  sound: {
    label: 'How loud you are',
    none: 'No sound is sent.',
    muted: 'Your microphone is muted.',
    silent: 'Nothing is heard. Is it the right microphone?',
  },

  token: {
    ends: 'Your access ends in {left}',
    /** Clocks differ, and a token is taken for a little longer than it says. */
    now: 'Your access ends at any moment',
    soon: 'Your access ends soon',
    over: 'Your access has ended',
    why: 'Paste a new link or token, and you go on without an interruption.',
    whyOver: 'Paste a new link or token to come back. Your picture and what you typed are kept.',
    whyOnAir: 'When it ends, you are disconnected, and the broadcast ends soon after.',
    field: 'New token or link',
    renew: 'Go on with it',
    checking: 'Checking…',
    otherUser: (name: string) => `This token is for ${name}, and you are somebody else here.`,
    noLater: 'This token does not last longer than the one you have.',
    renewed: (until: string) => `Thank you. You can stay until ${until}.`,
  },
};
