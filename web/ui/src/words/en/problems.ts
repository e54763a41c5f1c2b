/** What went wrong, and what to do about it. */
export const problems = {
  /** By the codes of errors in PROTOCOL.md. */
  errors: {
    unauthorized: 'Your token is no longer accepted.',
    forbidden: 'Your token does not allow this.',
    not_found: 'There is no such thing here.',
    not_joined: 'You are not in this room at the moment. Try again.',
    conflict: 'Somebody else is broadcasting in this room.',
    too_large: 'This is too long.',
    unavailable: 'The server cannot do this right now. Try again.',
    internal: 'Something went wrong on the server. Try again.',
    disconnected: 'There is no connection right now. It is being restored.',
    timeout: 'The server did not answer. Try again.',
  },
  unreachable: 'The server could not be reached.',
  refused: (message: string) => `The server said no: ${message}.`,
  ourFault: 'Something went wrong on this page. Reload it.',
  tooFast: (when: string) => `Too fast. Try again ${when}.`,
  inAMoment: 'in a moment',
  inSeconds: (seconds: number) => (seconds === 1 ? 'in a second' : `in ${seconds} seconds`),

  /** Why a connection ended for good, by the names of the close codes. */
  stops: {
    protocol_error: 'The server did not understand this page. Reload it to get the newest one.',
    too_large: 'The server refused a message that was too large. Reload the page.',
    revoked: 'Your access was withdrawn.',
    replaced: 'Another window took over.',
    kicked: 'A moderator removed you from this room.',
    banned: 'A moderator banned you from this room.',
    token_expired: 'Your link is too old. Get a new one where you got it.',
  },
  stopped: (message: string) => `The server refused the connection: ${message}.`,

  /** Why a broadcast ended, or is interrupted. */
  reasons: {
    ended_by_streamer: 'ended by the streamer',
    left: 'the streamer left',
    connection_lost: 'connection lost',
    node_lost: 'a server was lost',
    drain: 'a server was restarted',
    ended_by_admin: 'ended by an administrator',
    kicked: 'removed by a moderator',
    banned: 'banned by a moderator',
    revoked: 'access revoked',
    lost: 'lost by the server',
  },
};
