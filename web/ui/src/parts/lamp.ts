/** What a lamp can show. */
export type LampState = 'dark' | 'offline' | 'online' | 'live' | 'reconnecting' | 'ended' | 'unknown';
