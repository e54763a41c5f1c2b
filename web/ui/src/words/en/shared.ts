/** What several pages say. */
export const shared = {
  product: 'Tallylight',
  /** The title of a page, in the browser's tab. */
  pageTitle: (place: string) => `${place} · Tallylight`,
  seconds: (seconds: number) => `${seconds}\u00a0s`,

  lamp: {
    dark: '',
    offline: 'Off air',
    online: 'Standby',
    live: 'On air',
    reconnecting: 'Reconnecting',
    ended: 'Ended',
    unknown: 'Not connected',
  },

  connection: {
    connecting: 'Connecting',
    connected: 'Connected',
    reconnecting: 'Reconnecting',
    disconnected: 'Disconnected',
    retryIn: ' in {seconds} s',
  },

  directory: {
    connecting: 'Connecting',
    open: 'Up to date',
    waiting: 'Reconnecting',
    stale: 'Stale',
    staleWhy: 'The server cannot vouch that this list is the newest.',
  },

  token: {
    title: 'A token, please',
    why: (purpose: string) => `To ${purpose} you need an access token. Open the link that you were given, or paste it here.`,
    label: 'Token or link',
    checking: 'Checking…',
    go: 'Continue',
    refused: (message: string) => `This token is refused: ${message}.`,
    busy: 'The server admits nobody at the moment. Try again in a little while.',
    unknown: 'The server could not be reached to check this token. Try again.',
  },

  notice: {
    disconnected: 'Disconnected',
    again: 'Connect again',
    tryAgain: 'Try again',
  },

  dialog: {
    cancel: 'Cancel',
  },

  list: {
    more: 'Show more',
    forbidden: (scope: string) => `This takes a token with scope ${scope}. Yours opens other views.`,
  },
  untitled: 'Untitled broadcast',
  looking: 'Looking…',
  nothing: '—',
};
