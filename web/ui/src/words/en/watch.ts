/** The viewer's page. */
export const watch = {
  purpose: (room: string) => `watch ${room}`,
  forbidden: (room: string) => `This token does not let you watch ${room}.`,
  noEntry: 'No entry',
  stage: 'Stage',
  rightBack: 'The streamer will be right back.',
  waiting: 'Waiting {countdown} more.',
  over: (title: string, reason: string) => `${title || 'The broadcast'} is over${reason ? `: ${reason}` : ''}.`,
  standby: 'The streamer is here, and not on air yet.',
  nobody: 'Nobody is here. This page lights up by itself.',
  doubtful: 'The last that this page knows.',
  watching: 'watching',
  others: 'See who is live',
  /** The room in the browser's tab: whether it is on air is seen from another one. */
  tab: (room: string, state: string) => ({ live: `● ${room}`, reconnecting: `◌ ${room}` })[state] ?? room,

  tooOld: {
    title: 'This link is too old',
    text: 'It was good for a while, and is not any more. Ask for a new one where you got it, and open that, or paste it here.',
  },

  /** In the place of everything, for who was put out of the room. */
  expelled: {
    kicked: 'A moderator put you out of this room',
    banned: 'A moderator banned you from this room',
    because: 'They say:',
    until: (time: string) => `You may come back at ${time}.`,
    left: '{left} left',
    now: 'You may come back.',
    endless: 'The ban has no end by itself. If you think that it is a mistake, ask whoever runs this stream.',
  },

  picture: {
    label: 'The stream',
    connecting: 'Connecting to the picture…',
    lost: 'The picture was lost. Getting it back…',
    noSeat: 'All seats are taken. You get the picture as soon as one is free.',
    facts: (width: number, height: number, rate: number, relayed: boolean) => `${width} × ${height}, ${rate}/s${relayed ? ', relayed' : ''}`,
    soundOn: 'Sound on',
    soundOff: 'Sound off',
    fullScreen: 'Full screen',
  },
};
