import { isEventOf, isLiveEvent, type EventMessage, type LiveEvent, type Streamer } from './messages.ts';

/** The streamer after an event; the same object when the event says nothing about them. */
export function streamerAfter(streamer: Streamer, event: EventMessage): Streamer {
  if (isEventOf(event, 'streamer.online')) return { state: 'online', user: event.data.user };
  if (isEventOf(event, 'streamer.offline')) return { state: 'offline', user: event.data.user };
  if (isLiveEvent(event)) return { ...afterLive(streamer, event), ...(streamer.user && { user: streamer.user }) };
  return streamer;
}

function afterLive(streamer: Streamer, { event, data }: LiveEvent): Streamer {
  const { broadcast, until, reason } = data;
  switch (event) {
    case 'live.started':
    case 'live.resumed':
      return { state: 'live', broadcast };
    case 'live.updated':
      return { ...streamer, broadcast };
    case 'live.reconnecting':
      return {
        state: 'reconnecting',
        broadcast,
        ...(until !== undefined && { until }),
        ...(reason !== undefined && { reason }),
      };
    case 'live.ended':
      // Out of `reconnecting` nobody is there; streamer.offline follows and says the same.
      return { state: streamer.state === 'reconnecting' ? 'offline' : 'online' };
  }
}
