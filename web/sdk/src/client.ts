import { Backoff, type BackoffOptions } from './backoff.ts';
import { closeRule, expulsion, isExpulsion } from './close.ts';
import { Emitter } from './emitter.ts';
import { endpoint, type Endpoint } from './endpoint.ts';
import { TallylightError } from './error.ts';
import { Heartbeat, type Beat } from './heartbeat.ts';
import { Link, type LinkEnd } from './link.ts';
import type { ClientMessage, OkMessage, Role, ServerMessage, WelcomeMessage } from './messages.ts';
import { watchPage, type PageSignals } from './page.ts';
import { Room, type RoomHost } from './room.ts';
import { Run } from './run.ts';
import type { Status, StopReason } from './status.ts';
import { newTimers, type Cancel, type Timers } from './timers.ts';
import { TokenHolder, type TokenSource } from './token.ts';
import { validate, type Fetch } from './validate.ts';

export interface ClientOptions {
  /** The service: `https://live.example.org`; `ws:`, `wss:` and a trailing `/v1/ws` will do as well. */
  url: string | URL;
  /**
   * A token, or a function that gets one. Only with a function can the client outlive a token. One that rejects is asked again
   * after the usual delays.
   */
  token: TokenSource;
  backoff?: BackoffOptions;
  /** What opens the socket, instead of the platform's own. This and the next two are for tests and unusual platforms. */
  webSocket?: typeof WebSocket;
  /** What asks why a socket was refused. */
  fetch?: Fetch;
  /** Timers for one `connect`, closed by the client at its end. */
  timers?: () => Timers;
}

/** How often in a row the node that we are to leave is left at once, should a balancer lead back to it. */
const sameNodeTries = 5;

/** The longest random delay of a streamer who is on air: the broadcast ends if nobody is back within its window. */
const onAirCapMs = 3_000;

export interface ClientEvents {
  status: Status;
  /** A heartbeat was answered. */
  beat: Beat;
  /**
   * The token ends soon, a minute before it does. Where `token` is a function, it is asked for a new one at the same time;
   * else this is the moment to tell somebody.
   */
  expiring: { expiresAt: number };
  /** The token's end has changed: signed in, or refreshed. Unix milliseconds of the server's clock, here and above. */
  token: { expiresAt: number };
  /** An error of the server that answers none of our requests. */
  error: TallylightError;
}

/**
 * A connection to Tallylight that stays: it authenticates, keeps its heartbeat, comes back after losses, moves to
 * another node when asked to, renews its token, and joins its rooms again from where they were.
 */
export class TallylightClient extends Emitter<ClientEvents> {
  readonly #endpoint: Endpoint;
  readonly #tokens: TokenHolder;
  readonly #backoff: Backoff;
  readonly #webSocket: typeof WebSocket;
  readonly #fetch: Fetch;
  readonly #newTimers: () => Timers;
  readonly #rooms = new Map<string, Room>();
  readonly #host: RoomHost = {
    request: (message) => this.#request(message),
    joined: () => this.#heartbeat?.watchSilence(this.#isStreaming()),
    leave: (room) => this.#leave(room),
  };

  #status: Status = { state: 'idle' };
  #clockOffset = 0;
  #expiresAt: number | undefined;
  /** The same from `connect` to the end; another one after each `connect`. */
  #run: Run | undefined;
  /** The link in use. */
  #link: Link | undefined;
  /** The link that shall be in use next. Beside `#link` only while a node is being drained. */
  #candidate: Link | undefined;
  #heartbeat: Heartbeat | undefined;
  #cancelOpen: Cancel | undefined;
  #cancelStable: Cancel | undefined;
  /** Tokens refused in a row. */
  #refusals = 0;
  /** The node that `#link` is to, or was. */
  #node: string | undefined;
  /** Before this time the server has asked us not to come (by this machine's clock). */
  #notBefore = 0;
  /** How many more times the node that we are to leave is left at once, should we come to it again. */
  #sameNode = 0;

  constructor(options: ClientOptions) {
    super();
    this.#endpoint = endpoint(options.url);
    this.#tokens = new TokenHolder(options.token);
    this.#backoff = new Backoff(options.backoff);
    this.#webSocket = options.webSocket ?? globalThis.WebSocket;
    this.#fetch = options.fetch ?? ((input, init) => globalThis.fetch(input, init));
    this.#newTimers = options.timers ?? newTimers;
  }

  get status(): Status {
    return this.#status;
  }

  /** The server's clock in Unix milliseconds, as well as it is known. Compare `until` and `started_at` with this. */
  now(): number {
    return Date.now() + this.#clockOffset;
  }

  /** When the token in use ends, in Unix milliseconds of the server's clock; undefined before the first welcome. */
  get expiresAt(): number | undefined {
    return this.#expiresAt;
  }

  /**
   * Connects, and stays connected until `close` or until the server says to stay away. Resolves at the first welcome,
   * rejects when the client stops before. Connecting or connected, it changes nothing.
   */
  connect(): Promise<WelcomeMessage> {
    if (!this.#run) {
      this.#run = new Run(this.#newTimers(), watchPage(this.#pageSignals()));
      this.#backoff.reset();
      this.#refusals = 0;
      this.#notBefore = 0;
      void this.#open();
    }
    return this.#run.connected;
  }

  /**
   * Gets a token now and gives it to the server, which then lets this connection stay as long as that one lasts. It happens
   * by itself a minute before the end; this is for who has a new token earlier, or only later. Rejects with the server's
   * error, or with that of the application's function; the connection stays as it was then.
   */
  async refresh(): Promise<void> {
    if (!this.#link) throw new TallylightError('disconnected', 'there is no connection');
    await this.#refresh(this.#link);
  }

  /** Says goodbye and stays away until `connect`, without waiting for anybody. Rooms are kept and joined again then. */
  close(): void {
    this.#stop({ code: 'closed', message: 'the client was closed' });
  }

  /** Joins a room now and after every reconnect, until `leave`. The same room and role again gives the same object. */
  join(name: string, { role = 'viewer' }: { role?: Role } = {}): Room {
    const known = this.#rooms.get(name);
    if (known && known.role !== role) throw new Error(`room ${name} is joined as ${known.role} already`);
    if (known) return known;
    const room = new Room(this.#host, name, role);
    this.#rooms.set(name, room);
    if (this.#link) void this.#enter(room, this.#link);
    return room;
  }

  // ---- opening

  async #open(): Promise<void> {
    const run = this.#run;
    this.#cancelOpen?.();
    this.#cancelOpen = undefined;
    if (!run || this.#candidate) return;
    if (!this.#link) this.#setStatus({ state: 'connecting', attempt: this.#backoff.attempts });
    const token = await this.#getToken(run);
    if (token === undefined || this.#run !== run || this.#candidate) return;
    const link = new Link({
      url: this.#endpoint.socket,
      token,
      timers: run.timers,
      webSocket: this.#webSocket,
      onMessage: (message, from) => this.#receive(message, from),
      onEnd: (end, ended) => this.#ended(ended, end),
    });
    this.#candidate = link;
    try {
      const welcome = await link.welcomed;
      if (this.#isSameNode(welcome)) {
        this.#candidate = undefined;
        link.close();
        this.#openAfter(this.#backoff.short());
        return;
      }
      await this.#settleIn(link);
      if (this.#candidate === link) this.#adopt(link, welcome);
    } catch {
      await this.#missed(link, token);
    }
  }

  /** Whether the node asked us to go elsewhere, and a balancer, which can't know, has brought us back to it. */
  #isSameNode(welcome: WelcomeMessage): boolean {
    return this.#link !== undefined && welcome.node === this.#node && this.#sameNode-- > 0;
  }

  async #getToken(run: Run): Promise<string | undefined> {
    try {
      return await this.#tokens.get();
    } catch (error) {
      if (this.#run === run) this.#scheduleOpen(0, `no token could be had: ${String(error)}`);
      return undefined;
    }
  }

  /**
   * Joins all rooms over the new link while the old one still serves them, so that nothing is lost in between.
   * Without an old one there is nothing to wait for: the rooms join after the adoption.
   */
  async #settleIn(link: Link): Promise<void> {
    if (!this.#link) return;
    const outcomes = await Promise.allSettled([...this.#rooms.values()].map((room) => room.enter(link)));
    // A room that is refused for good is no reason to stay: it hears of it after the adoption.
    const failed = outcomes.some((o) => o.status === 'rejected' && (o.reason as TallylightError).temporary);
    if (failed && (this.#link || link.end)) throw new TallylightError('unavailable', 'not every room could be joined');
  }

  #adopt(link: Link, welcome: WelcomeMessage): void {
    const run = this.#run;
    if (!run) return;
    const old = this.#link;
    this.#candidate = undefined;
    this.#link = link;
    this.#node = welcome.node;
    old?.close();
    this.#refusals = 0;
    this.#notBefore = 0;
    const heartbeat = this.#startHeartbeat(link, welcome, run.timers);
    this.#cancelStable?.();
    this.#cancelStable = run.timers.after(this.#backoff.stableMs, () => this.#backoff.reset());
    this.#setStatus({ state: 'connected', welcome });
    this.#setExpiry(welcome.expires_at);
    // The round trip of the sign-in tells as much as a beat: the first one is up to an interval away.
    this.#beaten({ rttMs: link.signInMs, at: Date.now(), serverNow: welcome.now + link.signInMs / 2, nextAt: heartbeat.nextAt });
    run.settle.resolve(welcome);
    for (const room of this.#rooms.values()) {
      if (!room.isIn(link)) void this.#enter(room, link);
    }
  }

  #startHeartbeat(link: Link, welcome: WelcomeMessage, timers: Timers): Heartbeat {
    this.#heartbeat?.stop();
    const heartbeat = new Heartbeat({
      intervalMs: welcome.heartbeat_ms,
      timers,
      send: async () => (await link.request({ type: 'heartbeat' })).now,
      onBeat: (beat) => this.#beaten(beat),
      onDead: (reason) => link.abandon(reason),
    });
    heartbeat.watchSilence(this.#isStreaming());
    this.#heartbeat = heartbeat;
    return heartbeat;
  }

  #beaten(beat: Beat): void {
    this.#clockOffset = beat.serverNow - beat.at;
    this.emit('beat', beat);
  }

  // ---- losing

  #ended(link: Link, end: LinkEnd): void {
    if (link !== this.#link) return;
    this.#link = undefined;
    this.#heartbeat?.stop();
    this.#heartbeat = undefined;
    this.#cancelStable?.();
    if (!this.#run) return;
    // Once our own next link was let in, 4409 says that it has taken the streamer's place.
    const replacedByUs = end.code === 4409 && this.#candidate?.isWelcome === true;
    if (this.#candidate && (replacedByUs || closeRule(end.code).action !== 'stay_away')) {
      this.#setStatus({ state: 'connecting', attempt: this.#backoff.attempts });
      return;
    }
    this.#comeBack(end);
  }

  /** A candidate that came to nothing. While the old link lives that is no harm: it is tried again. */
  async #missed(link: Link, token: string): Promise<void> {
    if (this.#candidate !== link) return;
    const end = link.end ?? { code: 1000, reason: '', opened: true };
    const run = this.#run;
    if (end.opened) {
      this.#candidate = undefined;
      link.close();
      this.#comeBack(end);
      return;
    }
    const verdict = await validate(this.#endpoint.validate, token, this.#fetch);
    if (this.#run !== run || this.#candidate !== link) return;
    this.#candidate = undefined;
    if (verdict.kind === 'refused') this.#renewToken(verdict.message);
    else this.#scheduleOpen(verdict.kind === 'busy' ? verdict.retryAfterMs : 0, 'the server could not be reached');
  }

  #comeBack({ code, reason }: LinkEnd): void {
    const rule = closeRule(code);
    const message = reason || rule.words;
    if (rule.action === 'stay_away') this.#stop({ code: rule.name, message, ...(isExpulsion(code) && expulsion(reason)) });
    else if (rule.action === 'new_token') this.#renewToken(message, rule.name);
    else this.#scheduleOpen(0, message);
  }

  /** Comes back with a new token, if there can be one and the last one was not new already. */
  #renewToken(message: string, code = 'unauthorized'): void {
    this.#refusals++;
    if (!this.#tokens.renewable || this.#refusals > 1) {
      this.#stop({ code, message });
      return;
    }
    this.#tokens.forget();
    this.#scheduleOpen(0, message);
  }

  #scheduleOpen(atLeastMs: number, reason: string): void {
    if (!this.#run) return;
    // Who was asked to wait waits, even if the connection that they still had is lost meanwhile.
    this.#notBefore = Math.max(this.#notBefore, Date.now() + atLeastMs);
    const delay = this.#backoff.next(this.#notBefore - Date.now(), this.#isOnAir() ? onAirCapMs : undefined);
    this.#openAfter(delay);
    if (this.#link) return;
    this.#setStatus({ state: 'waiting', attempt: this.#backoff.attempts, retryAt: Date.now() + delay, reason });
  }

  #openAfter(ms: number): void {
    this.#cancelOpen?.();
    this.#cancelOpen = this.#run?.timers.after(ms, () => void this.#open());
  }

  #stop(reason: StopReason): void {
    const run = this.#run;
    if (!run) return;
    this.#run = undefined;
    this.#link?.close();
    this.#candidate?.close();
    this.#link = this.#candidate = this.#cancelOpen = this.#cancelStable = undefined;
    this.#heartbeat?.stop();
    this.#heartbeat = undefined;
    run.end(new TallylightError(reason.code, reason.message));
    this.#setStatus({ state: 'stopped', reason });
    // A listener of the status may have connected again.
    if (this.#run) return;
    this.#rooms.forEach((room) => room.endLoops());
    this.endLoops();
  }

  // ---- messages

  #receive(message: ServerMessage, link: Link): void {
    if (link === this.#link) this.#heartbeat?.heard();
    switch (message.type) {
      case 'joined':
      case 'event':
      case 'viewers':
      case 'reactions':
      case 'signal':
        this.#rooms.get(message.room)?.receive(message, link);
        return;
      case 'reconnect':
        if (link !== this.#link) return;
        this.#sameNode = sameNodeTries;
        this.#openAfter(message.after_ms);
        return;
      case 'ice_servers':
        if (link === this.#link) this.#rooms.forEach((room) => room.setIceServers(message.ice_servers));
        return;
      case 'expiring':
        if (link !== this.#link) return;
        this.emit('expiring', { expiresAt: message.expires_at });
        // Without a new one the connection ends with 4419, and comes back with a token of its own if there is one by then.
        if (this.#tokens.renewable) this.#refresh(link).catch(() => undefined);
        return;
      case 'error':
        if (message.re === undefined) {
          this.emit('error', new TallylightError(message.code, message.message, message.retry_after_ms));
        }
    }
  }

  async #refresh(link: Link): Promise<void> {
    this.#tokens.forget();
    const { expires_at } = await link.request({ type: 'refresh', token: await this.#tokens.get() });
    if (expires_at !== undefined && link === this.#link) this.#setExpiry(expires_at);
  }

  #setExpiry(expiresAt: number): void {
    this.#expiresAt = expiresAt;
    this.emit('token', { expiresAt });
  }

  #request<M extends ClientMessage>(message: M): Promise<OkMessage> {
    if (!this.#link) return Promise.reject(new TallylightError('disconnected', 'there is no connection'));
    return this.#link.request(message) as Promise<OkMessage>;
  }

  // ---- rooms

  /** Joins over the link in use, again and again while the server cannot. */
  async #enter(room: Room, link: Link, backoff = new Backoff()): Promise<void> {
    try {
      await room.enter(link);
    } catch (error) {
      if (this.#link !== link || this.#rooms.get(room.name) !== room) return;
      if (!(error instanceof TallylightError)) throw error;
      if (error.temporary) {
        this.#run?.timers.after(backoff.next(error.retryAfterMs), () => {
          if (this.#link === link && !room.isIn(link)) void this.#enter(room, link, backoff);
        });
        return;
      }
      this.#rooms.delete(room.name);
      room.refuse(error);
    }
  }

  async #leave(room: Room): Promise<void> {
    if (this.#rooms.get(room.name) !== room) return;
    this.#rooms.delete(room.name);
    room.endLoops({ forGood: true });
    this.#heartbeat?.watchSilence(this.#isStreaming());
    if (room.isIn(this.#link)) await this.#request({ type: 'leave', room: room.name });
  }

  #isStreaming(): boolean {
    return [...this.#rooms.values()].some((room) => room.role === 'streamer' && room.isIn(this.#link));
  }

  #isOnAir(): boolean {
    return [...this.#rooms.values()].some((room) => room.role === 'streamer' && room.streamer.broadcast !== undefined);
  }

  // ---- the page

  #pageSignals(): PageSignals {
    let suspended = false;
    return {
      onHide: () => {
        suspended = true;
        this.#suspend();
      },
      onShow: () => {
        if (suspended) void this.#open();
        suspended = false;
      },
      // A page in the back may be slowed down or frozen: the server counts from a fresh beat then. One that comes to the
      // front may have been: its connection is looked at before anybody relies on it.
      onVisibility: () => {
        if (this.#link || document.visibilityState === 'visible') this.#look();
      },
      onNetwork: () => this.#look(),
    };
  }

  /** Looks after the connection now; without one, tries to come back, but no earlier than the server has asked for. */
  #look(): void {
    if (this.#link) void this.#heartbeat?.beat();
    else if (this.#cancelOpen && navigator.onLine && Date.now() >= this.#notBefore) void this.#open();
  }

  /** Lets go of the connection without an end: the page may come back out of the browser's cache. */
  #suspend(): void {
    const links = [this.#link, this.#candidate];
    this.#cancelOpen?.();
    this.#link = this.#candidate = this.#cancelOpen = undefined;
    links.forEach((link) => link?.close());
    this.#heartbeat?.stop();
    this.#heartbeat = undefined;
    this.#setStatus({ state: 'idle' });
  }

  #setStatus(status: Status): void {
    this.#status = status;
    this.emit('status', status);
  }
}
