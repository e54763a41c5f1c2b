import type { Component } from 'svelte';
import { words } from '../../words/words.ts';
import type { Desk } from './desk.svelte.ts';
import AuditView from './audit/AuditView.svelte';
import BansView from './bans/BansView.svelte';
import BroadcastsView from './broadcasts/BroadcastsView.svelte';
import LiveView from './live/LiveView.svelte';
import NodesView from './nodes/NodesView.svelte';
import RevocationsView from './revocations/RevocationsView.svelte';
import RoomView from './room/RoomView.svelte';
import WebhooksView from './webhooks/WebhooksView.svelte';

export interface View {
  title: string;
  /** What it shows is named by `subject`, which is empty where the address names nothing. */
  component: Component<{ desk: Desk; subject: string }>;
  /** It is reached from another view, and not by the navigation. */
  inner?: boolean;
}

const text = words.admin;

/** The views of the dashboard by their name in the address, in the order of the navigation. The first one is the start. */
export const views: Record<string, View> = {
  live: { title: text.live.title, component: LiveView },
  room: { title: text.room.title, component: RoomView, inner: true },
  broadcasts: { title: text.broadcasts.title, component: BroadcastsView },
  nodes: { title: text.nodes.title, component: NodesView },
  webhooks: { title: text.webhooks.title, component: WebhooksView },
  bans: { title: text.bans.title, component: BansView },
  revocations: { title: text.revocations.title, component: RevocationsView },
  audit: { title: text.audit.title, component: AuditView },
};

export const startView = 'live';
