/** The viewer's page. */
export const watch = {
  purpose: (room: string) => `watch ${room}`,
  forbidden: (room: string) => `This token does not let you watch ${room}.`,
  noEntry: 'No entry',
  stage: 'Stage',
  rightBack: 'The streamer will be right back.',
  waiting: 'Waiting {countdown} s more.',
  over: (title: string, reason: string) => `${title || 'The broadcast'} is over${reason ? `: ${reason}` : ''}.`,
  standby: 'The streamer is here, and not on air yet.',
  nobody: 'Nobody is here. This page lights up by itself.',
  doubtful: 'The last that this page knows.',
  watching: 'watching',

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
