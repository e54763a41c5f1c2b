import type { WelcomeMessage } from './messages.ts';

/** Why a client stays away until `connect` is called again. */
export interface StopReason {
  /** A close code's name in the protocol (`replaced`, `banned` …), `unauthorized`, or `closed`: by ourselves. */
  code: string;
  message: string;
  /** Until when somebody is `kicked` or `banned` (Unix milliseconds), if that ends by itself. */
  until?: number;
  /** Why, in the words of who did it. */
  why?: string;
}

/** Where the connection stands. */
export type Status =
  | { state: 'idle' }
  | { state: 'connecting'; attempt: number }
  | { state: 'connected'; welcome: WelcomeMessage }
  /** Lost; the next attempt is at `retryAt` (Unix milliseconds of this machine). */
  | { state: 'waiting'; attempt: number; retryAt: number; reason: string }
  | { state: 'stopped'; reason: StopReason };
