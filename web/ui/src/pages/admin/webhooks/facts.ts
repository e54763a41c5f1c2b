import type { Webhook } from '../../../api/webhooks.ts';
import type { Fact } from '../../../parts/Facts.svelte';
import { clockTime, fullTime } from '../../../parts/time.ts';
import { words } from '../../../words/words.ts';

const text = words.admin.webhooks;

/** What is known of a webhook beside its URL: of trouble only where there is some. */
export function factsOf(webhook: Webhook, now: number): Fact[] {
  const time = (label: string, at: string | undefined): Fact[] =>
    at === undefined ? [] : [{ label, value: clockTime(at, now), title: fullTime(at), mono: true }];
  return [
    { label: text.one.state, value: text.states[webhook.state] },
    { label: text.one.waiting, value: webhook.waiting, mono: true },
    { label: text.one.failures, value: webhook.failures, mono: true },
    ...time(text.one.failingSince, webhook.failing_since),
    ...time(text.one.retryAt, webhook.retry_at),
    ...time(text.one.pausedAt, webhook.paused_at),
    ...time(text.one.created, webhook.created_at),
    { label: text.one.by, value: webhook.created_by },
    ...(webhook.last_error ? [{ label: text.one.lastError, value: webhook.last_error, wide: true }] : []),
    { label: text.one.events, value: webhook.events.join(', '), wide: true },
    { label: text.one.id, value: webhook.id, mono: true, wide: true },
  ];
}
