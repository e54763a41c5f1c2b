import { send } from './request.ts';

const part = encodeURIComponent;

/** Ends what a streamer broadcasts in a room. */
export function endBroadcast(token: string, streamer: string, room: string, reason = ''): Promise<void> {
  return send(token, 'POST', `/v1/streamers/${part(streamer)}/end`, { room, ...(reason && { reason }) });
}

/** Makes everybody wait for so many seconds between two lines of chat; 0: nobody waits. */
export function setSlow(token: string, room: string, seconds: number): Promise<void> {
  return send(token, 'PUT', `/v1/rooms/${part(room)}/settings`, { slow_seconds: seconds });
}

export function deleteLine(token: string, room: string, offset: number): Promise<void> {
  return send(token, 'DELETE', `/v1/rooms/${part(room)}/events/${offset}`);
}
