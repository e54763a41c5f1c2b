import { closeRule } from './close.ts';
import { TallylightError } from './error.ts';
import { splitFrame } from './frame.ts';
import {
  asServerMessage,
  subprotocol,
  type ClientMessage,
  type HeartbeatMessage,
  type HeartbeatRequest,
  type HelloMessage,
  type JoinedMessage,
  type JoinMessage,
  type OkMessage,
  type ServerMessage,
  type WelcomeMessage,
} from './messages.ts';
import type { Cancel, Timers } from './timers.ts';

/** The message that answers a request. */
export type ReplyTo<M extends ClientMessage> = M extends JoinMessage
  ? JoinedMessage
  : M extends HeartbeatRequest
    ? HeartbeatMessage
    : M extends HelloMessage
      ? WelcomeMessage
      : OkMessage;

/** How a link ended. */
export interface LinkEnd {
  code: number;
  reason: string;
  /** Whether the handshake had succeeded. If not, the code says nothing. */
  opened: boolean;
}

export interface LinkOptions {
  url: string;
  token: string;
  timers: Timers;
  webSocket: typeof WebSocket;
  /** Called for every message, replies included, in the order of the wire and before a reply's promise resolves. */
  onMessage: (message: ServerMessage, link: Link) => void;
  /** Called once, however the link ends. */
  onEnd: (end: LinkEnd, link: Link) => void;
}

interface PendingRequest {
  resolve: (message: ServerMessage) => void;
  reject: (error: TallylightError) => void;
  cancelTimeout: Cancel;
}

/** An answer that took longer will not come: the server answers at once, and its own calls give up after 2–5 s. */
const answerTimeoutMs = 10_000;

/** One authenticated socket, from its opening to its end. It never reconnects: that is the client's work. */
export class Link {
  /** Resolves when the server has accepted the token, rejects when the link ends before. */
  readonly welcomed: Promise<WelcomeMessage>;

  readonly #options: LinkOptions;
  readonly #socket: WebSocket;
  readonly #pending = new Map<string, PendingRequest>();
  #lastId = 0;
  #opened = false;
  #isWelcome = false;
  #signInMs = 0;
  #end: LinkEnd | undefined;

  constructor(options: LinkOptions) {
    this.#options = options;
    this.#socket = new options.webSocket(options.url, [subprotocol]);
    this.welcomed = new Promise((resolve, reject) => {
      const cancel = options.timers.after(answerTimeoutMs, () => this.#finish({ code: 1006, reason: 'no answer' }));
      this.#socket.onopen = () => {
        this.#opened = true;
        cancel();
        const sentAt = Date.now();
        this.request({ type: 'hello', token: options.token }).then((welcome) => {
          this.#isWelcome = true;
          this.#signInMs = Date.now() - sentAt;
          resolve(welcome);
        }, reject);
      };
      this.#socket.onclose = ({ code, reason }) => {
        cancel();
        this.#finish({ code, reason });
        reject(this.#endError());
      };
    });
    // Whoever waits for the welcome sees the rejection; nobody has to.
    this.welcomed.catch(() => undefined);
    this.#socket.onmessage = ({ data }) => this.#receive(String(data));
    // Every error of a socket is followed by its close, which says more.
    this.#socket.onerror = null;
  }

  /** Whether the server has accepted the token. */
  get isWelcome(): boolean {
    return this.#isWelcome;
  }

  /** How long the sign-in took: about a round trip. */
  get signInMs(): number {
    return this.#signInMs;
  }

  /** How the link ended, if it did. */
  get end(): LinkEnd | undefined {
    return this.#end;
  }

  /**
   * Sends a message and resolves with its answer. Rejects with the server's error, or with `timeout` or
   * `disconnected`, after which the outcome is unknown.
   */
  request<M extends ClientMessage>(message: M): Promise<ReplyTo<M>> {
    return new Promise((resolve, reject) => {
      if (this.#end || this.#socket.readyState !== WebSocketState.open) {
        reject(new TallylightError('disconnected', 'there is no connection'));
        return;
      }
      const id = String(++this.#lastId);
      const cancelTimeout = this.#options.timers.after(answerTimeoutMs, () => {
        this.#pending.delete(id);
        reject(new TallylightError('timeout', `no answer to ${message.type}`));
      });
      this.#pending.set(id, { resolve: resolve as PendingRequest['resolve'], reject, cancelTimeout });
      this.#socket.send(JSON.stringify({ ...message, id }));
    });
  }

  /** Closes by our own will. `code` is 1000 or one of an application (browsers allow no other). */
  close(code = 1000, reason = ''): void {
    this.#finish({ code, reason });
  }

  /** Gives the socket up for lost without waiting for the other side, which may be gone. */
  abandon(reason: string): void {
    this.#finish({ code: 1006, reason });
  }

  #receive(data: string): void {
    for (const object of splitFrame(data)) {
      if (this.#end) return;
      const message = asServerMessage(object);
      if (message) this.#handle(message);
    }
  }

  #handle(message: ServerMessage): void {
    this.#options.onMessage(message, this);
    if (!('re' in message) || message.re === undefined) return;
    const pending = this.#pending.get(message.re);
    if (!pending) return;
    this.#pending.delete(message.re);
    pending.cancelTimeout();
    if (message.type === 'error') {
      pending.reject(new TallylightError(message.code, message.message, message.retry_after_ms));
    } else {
      pending.resolve(message);
    }
  }

  #finish(end: Omit<LinkEnd, 'opened'>): void {
    if (this.#end) return;
    this.#end = { ...end, opened: this.#opened };
    this.#socket.onmessage = null;
    // 1000 is the only registered code that a browser's script may send.
    this.#socket.close(1000);
    for (const pending of this.#pending.values()) {
      pending.cancelTimeout();
      pending.reject(this.#endError());
    }
    this.#pending.clear();
    this.#options.onEnd(this.#end, this);
  }

  #endError(): TallylightError {
    const words = closeRule(this.#end?.code ?? 1006).words;
    return new TallylightError('disconnected', this.#end?.reason || words);
  }
}

/** The states of a WebSocket; the constants of the class are not everywhere where a substitute is used. */
const WebSocketState = { open: 1 } as const;
