import { get, send, type Page } from './request.ts';

/** What a webhook can be told of. */
export const eventTypes = [
  'stream.online',
  'stream.reconnecting',
  'stream.resumed',
  'stream.updated',
  'stream.offline',
  'room.occupied',
  'room.vacated',
  'chat.message',
] as const;

export type EventType = (typeof eventTypes)[number];

/** A row of `GET /v1/webhooks`. */
export interface Webhook {
  id: string;
  url: string;
  events: EventType[];
  state: 'active' | 'failing' | 'paused';
  created_at: string;
  created_by: string;
  /** Deliveries that are still to be made. */
  waiting: number;
  /** Failed attempts in a row. */
  failures: number;
  failing_since?: string;
  retry_at?: string;
  paused_at?: string;
  last_error?: string;
  /** Only when it was created just now. */
  secret?: string;
}

export type DeliveryState = 'pending' | 'delivered' | 'parked';

/** A row of `GET /v1/webhooks/{id}/deliveries`. */
export interface Delivery {
  id: string;
  event: string;
  type: EventType;
  happened_at: string;
  state: DeliveryState;
  attempts: number;
  created_at: string;
  attempted_at?: string;
  delivered_at?: string;
  /** What the endpoint answered last. */
  status?: number;
  /** Why the last attempt failed. */
  error?: string;
  body: unknown;
}

const one = (id: string) => `/v1/webhooks/${encodeURIComponent(id)}`;

export function listWebhooks(token: string): Promise<Page<Webhook>> {
  return get(token, '/v1/webhooks');
}

export function getWebhook(token: string, id: string): Promise<Webhook> {
  return get(token, one(id));
}

/** The secret is in the answer, and never again. */
export function createWebhook(token: string, url: string, events: EventType[]): Promise<Webhook> {
  return send(token, 'POST', '/v1/webhooks', { url, events });
}

export function deleteWebhook(token: string, id: string): Promise<void> {
  return send(token, 'DELETE', one(id));
}

/** Has a paused or failing webhook tried at once. */
export function resumeWebhook(token: string, id: string): Promise<void> {
  return send(token, 'POST', `${one(id)}/resume`);
}

/** Has the parked deliveries of a time made again, or all of them; resolves with how many. */
export async function replayDeliveries(token: string, id: string, from: Date, to: Date, all: boolean): Promise<number> {
  const body = { from: from.toISOString(), to: to.toISOString(), all };
  const { deliveries } = await send<{ deliveries: number }>(token, 'POST', `${one(id)}/replay`, body);
  return deliveries;
}

export function listDeliveries(token: string, id: string, state: DeliveryState | '', after?: string): Promise<Page<Delivery>> {
  return get(token, `${one(id)}/deliveries`, { state, after });
}

export function retryDelivery(token: string, id: string, delivery: string): Promise<void> {
  return send(token, 'POST', `${one(id)}/deliveries/${encodeURIComponent(delivery)}/retry`);
}
