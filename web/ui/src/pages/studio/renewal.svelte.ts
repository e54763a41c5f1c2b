import type { TallylightClient } from '@tallylight/client';
import { storeToken, tokenIn } from '../../parts/token.ts';
import { errorWords } from '../../words/problems.ts';
import { askAbout, refusal } from './validity.ts';

/** How long before its end a token is spoken of. */
export const noticeMs = 5 * 60_000;

/**
 * The token of a studio that is open: it can be followed by another one while the connection stays. Give `source` to the
 * client, and the client to `follow`.
 */
export class Renewal {
  /** When the token in use ends, by the server's clock. */
  expiresAt = $state<number | undefined>();
  pending = $state(false);
  /** Why the last token that was brought is not taken. */
  problem = $state('');
  /** The last one that was: when that was, by this machine's clock, and until when it lasts. */
  renewed = $state.raw<{ at: number; until: number } | undefined>();

  readonly #room: string;
  #client: TallylightClient | undefined;
  #user: string | undefined;
  #token: string;
  /** The token that the client has. */
  #given: string | undefined;

  constructor(room: string, token: string) {
    this.#room = room;
    this.#token = token;
  }

  /** Gives the newest token. To a client that is connected with it already it has none to give. */
  readonly source = async (): Promise<string> => {
    if (this.#connected && this.#token === this.#given) throw new Error('there is no newer token yet');
    this.#given = this.#token;
    return this.#token;
  };

  follow(client: TallylightClient): void {
    this.#client = client;
    client.on('token', ({ expiresAt }) => (this.expiresAt = expiresAt));
    client.on('status', (status) => {
      if (status.state !== 'connected') return;
      this.#user = status.welcome.user.id;
      // It was brought while there was no connection, and the one before was still good.
      if (this.#token !== this.#given) client.refresh().catch(() => undefined);
    });
  }

  /** Goes on with another token, pasted alone or in its link, if it is one for the same user and room. Never rejects. */
  async bring(pasted: string): Promise<boolean> {
    const token = tokenIn(pasted);
    if (token === '' || this.pending) return false;
    this.pending = true;
    this.problem = await this.#take(token);
    this.pending = false;
    return this.problem === '';
  }

  get #connected(): boolean {
    return this.#client?.status.state === 'connected';
  }

  async #take(token: string): Promise<string> {
    const answer = await askAbout(token);
    if (typeof answer === 'string') return answer;
    const than = this.#connected ? this.expiresAt : undefined;
    const why = refusal(answer, { room: this.#room, user: this.#user, longerThan: than });
    if (why !== undefined) return why;
    const before = this.#token;
    this.#token = token;
    try {
      if (this.#connected) await this.#client?.refresh();
    } catch (error) {
      this.#token = before;
      return errorWords(error);
    }
    storeToken(token);
    this.renewed = { at: Date.now(), until: Date.parse(answer.expires_at) };
    if (this.#client?.status.state === 'stopped') void this.#client.connect().catch(() => undefined);
    return '';
  }
}
