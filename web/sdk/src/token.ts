/** A fixed token, or a function that gets a new one from the application's backend. */
export type TokenSource = string | (() => Promise<string>);

/** The token in use. A function is asked only when there is none, or the last one was refused or has expired. */
export class TokenHolder {
  readonly #source: TokenSource;
  #token: string | undefined;

  constructor(source: TokenSource) {
    this.#source = source;
  }

  /** Whether another token than the present one can be had. */
  get renewable(): boolean {
    return typeof this.#source === 'function';
  }

  /** Rejects when the application's function does. */
  async get(): Promise<string> {
    if (typeof this.#source === 'string') return this.#source;
    this.#token ??= await this.#source();
    return this.#token;
  }

  /** The next `get` asks for a new one. */
  forget(): void {
    this.#token = undefined;
  }
}
