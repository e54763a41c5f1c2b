import type { LampState } from '../parts/lamp.ts';
import type { RoomSession } from './session.svelte.ts';

/** What the lamp of a room shows to somebody who only looks. */
export function lampOf(session: RoomSession): LampState {
  if (!session.joined) return 'dark';
  const { state } = session.streamer;
  if (session.ended && state !== 'live' && state !== 'reconnecting') return 'ended';
  return state;
}

/** The room in the address: `/watch/{room}`. */
export function roomInAddress(): string {
  return decodeURIComponent(location.pathname.split('/')[2] ?? '');
}
