import { get, request, withQuery, type Page } from './request.ts';

/** A row of `GET /v1/broadcasts`. */
export interface BroadcastRecord {
  id: string;
  streamer: { id: string; name?: string };
  room: string;
  state: 'live' | 'reconnecting' | 'ended';
  title: string;
  category: string;
  language: string;
  tags: string[];
  started_at: string;
  /** Null while it runs. */
  ended_at: string | null;
  reason?: string;
  /** These are null when nobody counted, the last two while it runs as well. */
  peak_viewers: number | null;
  unique_viewers: number | null;
  watch_seconds: number | null;
  /** How many viewed it at each minute, oldest first. Of one broadcast only. */
  viewers?: { at: string; viewers: number }[];
}

/** Which broadcasts are wanted; each narrows the list, empty ones do not. */
export interface BroadcastFilters {
  streamer?: string;
  room?: string;
  /** When they started: RFC 3339, the first one included, the last one not. */
  from?: string;
  to?: string;
}

/** How many rows a table may have at most. */
const mostRows = '10000';

const one = (id: string) => `/v1/broadcasts/${encodeURIComponent(id)}`;

export function listBroadcasts(token: string, filters: BroadcastFilters, after?: string): Promise<Page<BroadcastRecord>> {
  return get(token, '/v1/broadcasts', { ...filters, after });
}

export function getBroadcast(token: string, id: string): Promise<BroadcastRecord> {
  return get(token, one(id));
}

/** The list as a table for a spreadsheet (RFC 4180). */
export function broadcastsTable(token: string, filters: BroadcastFilters): Promise<Blob> {
  return table(token, withQuery('/v1/broadcasts', { ...filters, first: mostRows }));
}

/** The viewers of one broadcast over time, likewise. */
export function viewersTable(token: string, id: string): Promise<Blob> {
  return table(token, one(id));
}

async function table(token: string, path: string): Promise<Blob> {
  const response = await request(path, token, { headers: { Accept: 'text/csv' } });
  return response.blob();
}
