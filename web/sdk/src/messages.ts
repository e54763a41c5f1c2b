/**
 * The messages of `tallylight.v1`, as the protocol document describes them, and guards for those that come from the
 * server. Times are Unix milliseconds. Unknown fields are allowed everywhere and ignored.
 */
import {
  type Guard,
  isAnything,
  isArrayOf,
  isBoolean,
  isNumber,
  isObject,
  isOneOf,
  isRecord,
  isRecordOf,
  isString,
  optional,
} from './shape.ts';

export const subprotocol = 'tallylight.v1';

// ---- words that several messages share

export type Role = 'viewer' | 'streamer' | 'moderator';
export const isRole: Guard<Role> = isOneOf('viewer', 'streamer', 'moderator');

export interface User {
  id: string;
  name: string;
}
export const isUser: Guard<User> = isObject<User>({ id: isString, name: isString });

/** Who sent an event. */
export interface Sender extends User {
  role: Role;
}
export const isSender: Guard<Sender> = isObject<Sender>({ id: isString, name: isString, role: isRole });

/** The place of an event in its room. Offsets of different epochs cannot be compared. */
export interface Position {
  epoch: string;
  offset: number;
}
export const isPosition: Guard<Position> = isObject<Position>({ epoch: isString, offset: isNumber });

/** What a streamer says about a broadcast. */
export interface BroadcastDetails {
  title?: string;
  category?: string;
  language?: string;
  tags?: string[];
}

/** One period of being live. `version` grows by one with each transition of this broadcast. */
export interface Broadcast extends BroadcastDetails {
  id: string;
  started_at: number;
  version: number;
}
export const isBroadcast: Guard<Broadcast> = isObject<Broadcast>({
  id: isString,
  title: optional(isString),
  category: optional(isString),
  language: optional(isString),
  tags: optional(isArrayOf(isString)),
  started_at: isNumber,
  version: isNumber,
});

export type StreamerStateName = 'offline' | 'online' | 'live' | 'reconnecting';

/** The streamer of a room. Only `live` and `reconnecting` have a broadcast. */
export interface Streamer {
  state: StreamerStateName;
  user?: User;
  broadcast?: Broadcast;
  /** While `reconnecting`: when the broadcast ends if nobody comes back. */
  until?: number;
  /** While `reconnecting`: why the streamer is away. */
  reason?: string;
}
export const isStreamer: Guard<Streamer> = isObject<Streamer>({
  state: isOneOf('offline', 'online', 'live', 'reconnecting'),
  user: optional(isUser),
  broadcast: optional(isBroadcast),
  until: optional(isNumber),
  reason: optional(isString),
});

/** The viewers of a room: connections with the role `viewer`. */
export interface ViewerCount {
  connections: number;
}
export const isViewerCount: Guard<ViewerCount> = isObject<ViewerCount>({ connections: isNumber });

export interface Member {
  id: string;
  user: User;
  role: Role;
}
export const isMember: Guard<Member> = isObject<Member>({ id: isString, user: isUser, role: isRole });

// ---- client → server

export interface HelloMessage {
  type: 'hello';
  token: string;
}
export interface HeartbeatRequest {
  type: 'heartbeat';
}
export interface JoinMessage {
  type: 'join';
  room: string;
  role?: Role;
  since?: Position;
}
export interface LeaveMessage {
  type: 'leave';
  room: string;
}
export interface LiveStartMessage extends BroadcastDetails {
  type: 'live.start';
  room: string;
  /** How long the streamer may be gone before the broadcast ends. */
  window_ms?: number;
}
export interface LiveUpdateMessage extends BroadcastDetails {
  type: 'live.update';
  room: string;
}
export interface LiveEndMessage {
  type: 'live.end';
  room: string;
}
export interface PublishMessage {
  type: 'publish';
  room: string;
  /** `chat`, `reaction`, or `x.` and a name of the application's. */
  event: string;
  data: unknown;
}
export interface MembersMessage {
  type: 'members';
  room: string;
  first?: number;
  after?: string;
}
export interface RefreshMessage {
  type: 'refresh';
  token: string;
}

export type ModerationAction = 'delete' | 'mute' | 'unmute' | 'kick' | 'ban' | 'unban' | 'slow';
export const isModerationAction: Guard<ModerationAction> = isOneOf('delete', 'mute', 'unmute', 'kick', 'ban', 'unban', 'slow');

/** What a moderator does: to a user, or to a line of chat, or how slow chat is. */
export interface Moderation {
  action: ModerationAction;
  /** Whom a mute, a kick, a ban or the end of one is about. */
  user?: string;
  /** Of the line that is deleted. */
  offset?: number;
  /** How long a mute or a ban lasts, or how long everybody waits between two lines; without it a ban has no end. */
  seconds?: number;
  /** Told to whoever is concerned. */
  reason?: string;
}
export interface ModerateMessage extends Moderation {
  type: 'moderate';
  room: string;
}

/** What a signal is about. A session begins with a `request` or an `offer`, and ends with a `bye`. */
export type SignalKind = 'request' | 'offer' | 'answer' | 'candidate' | 'bye';
export const isSignalKind: Guard<SignalKind> = isOneOf('request', 'offer', 'answer', 'candidate', 'bye');

export interface SignalRequest {
  type: 'signal';
  room: string;
  /** The id of a member, or `streamer`. */
  to: string;
  session: string;
  kind: SignalKind;
  data?: unknown;
}

export type ClientMessage =
  | HelloMessage
  | HeartbeatRequest
  | JoinMessage
  | LeaveMessage
  | LiveStartMessage
  | LiveUpdateMessage
  | LiveEndMessage
  | PublishMessage
  | SignalRequest
  | MembersMessage
  | ModerateMessage
  | RefreshMessage;

const isBroadcastDetails = {
  title: optional(isString),
  category: optional(isString),
  language: optional(isString),
  tags: optional(isArrayOf(isString)),
};

/** A guard for each message of a client, by its type. The client itself needs none; tests and tools do. */
export const clientGuards: { [T in ClientMessage['type']]: Guard<Extract<ClientMessage, { type: T }>> } = {
  hello: isObject<HelloMessage>({ type: isOneOf('hello'), token: isString }),
  heartbeat: isObject<HeartbeatRequest>({ type: isOneOf('heartbeat') }),
  join: isObject<JoinMessage>({
    type: isOneOf('join'),
    room: isString,
    role: optional(isRole),
    since: optional(isPosition),
  }),
  leave: isObject<LeaveMessage>({ type: isOneOf('leave'), room: isString }),
  'live.start': isObject<LiveStartMessage>({
    type: isOneOf('live.start'),
    room: isString,
    window_ms: optional(isNumber),
    ...isBroadcastDetails,
  }),
  'live.update': isObject<LiveUpdateMessage>({
    type: isOneOf('live.update'),
    room: isString,
    ...isBroadcastDetails,
  }),
  'live.end': isObject<LiveEndMessage>({ type: isOneOf('live.end'), room: isString }),
  publish: isObject<PublishMessage>({
    type: isOneOf('publish'),
    room: isString,
    event: isString,
    data: isAnything,
  }),
  signal: isObject<SignalRequest>({
    type: isOneOf('signal'),
    room: isString,
    to: isString,
    session: isString,
    kind: isSignalKind,
    data: isAnything,
  }),
  members: isObject<MembersMessage>({
    type: isOneOf('members'),
    room: isString,
    first: optional(isNumber),
    after: optional(isString),
  }),
  moderate: isObject<ModerateMessage>({
    type: isOneOf('moderate'),
    room: isString,
    action: isModerationAction,
    user: optional(isString),
    offset: optional(isNumber),
    seconds: optional(isNumber),
    reason: optional(isString),
  }),
  refresh: isObject<RefreshMessage>({ type: isOneOf('refresh'), token: isString }),
};

// ---- server → client

/** What one connection may do. */
export interface Limits {
  frame_bytes?: number;
  rooms?: number;
  chat_chars?: number;
  event_bytes?: number;
  sdp_bytes?: number;
  signal_bytes?: number;
  messages_per_second?: number;
  messages_burst?: number;
  chat_per_second?: number;
  chat_burst?: number;
  reaction_kinds?: number;
}

export interface WelcomeMessage {
  type: 'welcome';
  re?: string;
  connection: string;
  node: string;
  user: User;
  heartbeat_ms: number;
  ping_ms: number;
  limits: Limits;
  expires_at: number;
  now: number;
}

export interface JoinedMessage {
  type: 'joined';
  re?: string;
  room: string;
  role: Role;
  member: string;
  epoch: string;
  /** The offset of the last event that this snapshot contains. */
  offset: number;
  /** Whether `events` is all that was missed since the `since` of the join. */
  recovered: boolean;
  events: EventMessage[];
  /** Without recovery: the last chat events. */
  chat?: EventMessage[];
  streamer: Streamer;
  viewers: ViewerCount;
  /** What helps peers to find a path to each other, if the service has any. */
  ice_servers?: IceServer[];
  /** How long a user must wait between two lines of chat; absent: not at all. */
  slow_seconds?: number;
  /** The node cannot vouch that this is the newest state. */
  stale?: boolean;
}

/** A STUN or TURN server, as `RTCConfiguration` takes it. */
export interface IceServer {
  urls: string[];
  username?: string;
  credential?: string;
  /** Until when the credential is good. */
  expires_at?: number;
}
export const isIceServer: Guard<IceServer> = isObject<IceServer>({
  urls: isArrayOf(isString),
  username: optional(isString),
  credential: optional(isString),
  expires_at: optional(isNumber),
});

/** The data of `live.*` events. */
export interface LiveData {
  broadcast: Broadcast;
  reason?: string;
  until?: number;
}
export const isLiveData: Guard<LiveData> = isObject<LiveData>({
  broadcast: isBroadcast,
  reason: optional(isString),
  until: optional(isNumber),
});

/** The data of the events whose meaning the protocol defines, by their name. Names in `x.` are the application's. */
export interface EventData {
  'streamer.online': { user: User };
  'streamer.offline': { user: User };
  'live.started': LiveData;
  'live.reconnecting': LiveData;
  'live.resumed': LiveData;
  'live.updated': LiveData;
  'live.ended': LiveData;
  /** A line that was deleted before it reached us is empty, and `deleted`. */
  chat: { text: string; deleted?: boolean };
  'chat.deleted': { offset: number };
  'member.muted': MemberData;
  'member.unmuted': MemberData;
  'member.banned': MemberData;
  'room.updated': { slow_seconds: number };
}

/** Whom a moderator acted upon, until when, and why. Of the user only the id is known. */
export interface MemberData {
  user: { id: string };
  until?: number;
  reason?: string;
}
const isMemberData: Guard<MemberData> = isObject<MemberData>({
  user: isObject<{ id: string }>({ id: isString }),
  until: optional(isNumber),
  reason: optional(isString),
});

const isUserData: Guard<{ user: User }> = isObject<{ user: User }>({ user: isUser });

const eventDataGuards: { [Name in keyof EventData]: Guard<EventData[Name]> } = {
  'streamer.online': isUserData,
  'streamer.offline': isUserData,
  'live.started': isLiveData,
  'live.reconnecting': isLiveData,
  'live.resumed': isLiveData,
  'live.updated': isLiveData,
  'live.ended': isLiveData,
  chat: isObject<EventData['chat']>({ text: isString, deleted: optional(isBoolean) }),
  'chat.deleted': isObject<EventData['chat.deleted']>({ offset: isNumber }),
  'member.muted': isMemberData,
  'member.unmuted': isMemberData,
  'member.banned': isMemberData,
  'room.updated': isObject<EventData['room.updated']>({ slow_seconds: isNumber }),
};

export interface EventMessage extends Position {
  type: 'event';
  room: string;
  event: string;
  from?: Sender;
  at: number;
  data: unknown;
}

/** An event whose data is known by its name. */
export type EventOf<Name extends keyof EventData> = EventMessage & { event: Name; data: EventData[Name] };

export type LiveEventName = Extract<keyof EventData, `live.${string}`>;
export type LiveEvent = { [Name in LiveEventName]: EventOf<Name> }[LiveEventName];

/** Whether this is an event of that name with the data that belongs to it. */
export function isEventOf<Name extends keyof EventData>(event: EventMessage, name: Name): event is EventOf<Name> {
  return event.event === name && eventDataGuards[name](event.data);
}

export function isLiveEvent(event: EventMessage): event is LiveEvent {
  return event.event.startsWith('live.') && isLiveData(event.data);
}

export interface ViewersMessage extends ViewerCount {
  type: 'viewers';
  room: string;
}
/** How many have reacted since the last one, by kind. */
export interface ReactionsMessage {
  type: 'reactions';
  room: string;
  counts: Record<string, number>;
}
/** What another member says to us alone. */
export interface SignalMessage {
  type: 'signal';
  room: string;
  /** Their member id. */
  from: string;
  user: User;
  session: string;
  kind: SignalKind;
  data?: unknown;
}
export interface IceServersMessage {
  type: 'ice_servers';
  ice_servers: IceServer[];
}
export interface ExpiringMessage {
  type: 'expiring';
  expires_at: number;
}
export interface ReconnectMessage {
  type: 'reconnect';
  after_ms: number;
  reason: string;
}
export interface HeartbeatMessage {
  type: 'heartbeat';
  /** Absent when nobody asked. */
  re?: string;
  now: number;
}
export interface OkMessage {
  type: 'ok';
  re: string;
  broadcast?: Broadcast;
  epoch?: string;
  offset?: number;
  members?: Member[];
  next?: string;
  partial?: boolean;
  expires_at?: number;
}
export interface ErrorMessage {
  type: 'error';
  /** Absent when the server could not tell which message was wrong. */
  re?: string;
  code: string;
  message: string;
  retry_after_ms?: number;
}

export type ServerMessage =
  | WelcomeMessage
  | JoinedMessage
  | EventMessage
  | ViewersMessage
  | ReactionsMessage
  | SignalMessage
  | IceServersMessage
  | ExpiringMessage
  | ReconnectMessage
  | HeartbeatMessage
  | OkMessage
  | ErrorMessage;

export const isEvent: Guard<EventMessage> = isObject<EventMessage>({
  type: isOneOf('event'),
  room: isString,
  epoch: isString,
  offset: isNumber,
  event: isString,
  from: optional(isSender),
  at: isNumber,
  data: isAnything,
});

/** A guard for each message of the server, by its type. */
export const serverGuards: { [T in ServerMessage['type']]: Guard<Extract<ServerMessage, { type: T }>> } = {
  welcome: isObject<WelcomeMessage>({
    type: isOneOf('welcome'),
    re: optional(isString),
    connection: isString,
    node: isString,
    user: isUser,
    heartbeat_ms: isNumber,
    ping_ms: isNumber,
    limits: isObject<Limits>({
      frame_bytes: optional(isNumber),
      rooms: optional(isNumber),
      chat_chars: optional(isNumber),
      event_bytes: optional(isNumber),
      sdp_bytes: optional(isNumber),
      signal_bytes: optional(isNumber),
      messages_per_second: optional(isNumber),
      messages_burst: optional(isNumber),
      chat_per_second: optional(isNumber),
      chat_burst: optional(isNumber),
      reaction_kinds: optional(isNumber),
    }),
    expires_at: isNumber,
    now: isNumber,
  }),
  joined: isObject<JoinedMessage>({
    type: isOneOf('joined'),
    re: optional(isString),
    room: isString,
    role: isRole,
    member: isString,
    epoch: isString,
    offset: isNumber,
    recovered: isBoolean,
    events: isArrayOf(isEvent),
    chat: optional(isArrayOf(isEvent)),
    streamer: isStreamer,
    viewers: isViewerCount,
    ice_servers: optional(isArrayOf(isIceServer)),
    slow_seconds: optional(isNumber),
    stale: optional(isBoolean),
  }),
  event: isEvent,
  viewers: isObject<ViewersMessage>({ type: isOneOf('viewers'), room: isString, connections: isNumber }),
  reactions: isObject<ReactionsMessage>({ type: isOneOf('reactions'), room: isString, counts: isRecordOf(isNumber) }),
  signal: isObject<SignalMessage>({
    type: isOneOf('signal'),
    room: isString,
    from: isString,
    user: isUser,
    session: isString,
    kind: isSignalKind,
    data: isAnything,
  }),
  ice_servers: isObject<IceServersMessage>({ type: isOneOf('ice_servers'), ice_servers: isArrayOf(isIceServer) }),
  expiring: isObject<ExpiringMessage>({ type: isOneOf('expiring'), expires_at: isNumber }),
  reconnect: isObject<ReconnectMessage>({ type: isOneOf('reconnect'), after_ms: isNumber, reason: isString }),
  heartbeat: isObject<HeartbeatMessage>({ type: isOneOf('heartbeat'), re: optional(isString), now: isNumber }),
  ok: isObject<OkMessage>({
    type: isOneOf('ok'),
    re: isString,
    broadcast: optional(isBroadcast),
    epoch: optional(isString),
    offset: optional(isNumber),
    members: optional(isArrayOf(isMember)),
    next: optional(isString),
    partial: optional(isBoolean),
    expires_at: optional(isNumber),
  }),
  error: isObject<ErrorMessage>({
    type: isOneOf('error'),
    re: optional(isString),
    code: isString,
    message: isString,
    retry_after_ms: optional(isNumber),
  }),
};

/** The message, if it is one that this client knows; a newer server may send others. */
export function asServerMessage(value: unknown): ServerMessage | undefined {
  if (!isRecord(value) || !isString(value['type'])) return undefined;
  if (!Object.hasOwn(serverGuards, value['type'])) return undefined;
  const guard = serverGuards[value['type'] as ServerMessage['type']] as Guard<ServerMessage>;
  return guard(value) ? value : undefined;
}
