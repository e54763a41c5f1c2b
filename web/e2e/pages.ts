import { expect, type Locator, type Page } from '@playwright/test';

/** What a test does on any of the pages. */
export class TestPage {
  readonly page: Page;
  /** What the browser complained about. */
  readonly complaints: string[] = [];

  constructor(page: Page) {
    this.page = page;
    page.on('pageerror', (error) => this.complaints.push(error.message));
    page.on('console', (message) => {
      if (message.type() === 'error' || message.type() === 'warning') this.complaints.push(message.text());
    });
  }

  get connection(): Locator {
    return this.page.getByTestId('connection');
  }
  get lamp(): Locator {
    return this.page.getByTestId('lamp');
  }
  get notice(): Locator {
    return this.page.getByTestId('notice');
  }
  /** What somebody sees whom a moderator has put out. */
  get expelled(): Locator {
    return this.page.getByTestId('expelled');
  }
  get chatLines(): Locator {
    return this.page.getByTestId('chat-log').locator('li[data-offset] .text');
  }

  async wantLamp(state: string, timeout = 5_000): Promise<void> {
    await expect(this.lamp).toHaveAttribute('data-state', state, { timeout });
  }

  async wantConnection(state: string, timeout = 10_000): Promise<void> {
    await expect(this.connection).toHaveAttribute('data-state', state, { timeout });
  }

  /** Notes each state that something goes through from now on, however short. What it returns tells them. */
  async statesOf(shown: Locator, attribute = 'data-state'): Promise<() => Promise<string[]>> {
    const states = await shown.evaluateHandle((element, attribute) => {
      const states: string[] = [];
      new MutationObserver(() => states.push(element.getAttribute(attribute) ?? '')).observe(element, { attributeFilter: [attribute] });
      return states;
    }, attribute);
    return () => states.jsonValue();
  }

  async say(text: string): Promise<void> {
    await this.page.getByLabel('Say something').fill(text);
    await this.page.getByRole('button', { name: 'Send' }).click();
    await expect(this.page.getByLabel('Say something')).toHaveValue('');
  }

  /**
   * Says numbers as fast as the page lets anybody, until one is refused, which it returns. It types inside of the page: a
   * test that clicks may be slower, on a busy machine, than anybody is allowed to be.
   */
  async sayTooFast(): Promise<string> {
    return this.page.getByLabel('Say something').evaluate(async (input: HTMLInputElement) => {
      for (let n = 1; n <= 100; n++) {
        input.value = String(n);
        input.dispatchEvent(new Event('input', { bubbles: true }));
        input.form!.requestSubmit();
        const told = () => document.getElementById('chat-problem')!.textContent !== '';
        while (input.value !== '' && !told()) await new Promise((next) => setTimeout(next, 1));
        if (told()) return input.value;
      }
      throw new Error('a hundred messages at once, and none is refused');
    });
  }

  async goLive(title: string): Promise<void> {
    await this.page.getByLabel('Title').fill(title);
    await this.page.getByRole('button', { name: 'Go live' }).click();
  }

  /** Ends the broadcast, and means it. */
  async endBroadcast(): Promise<void> {
    await this.page.getByRole('button', { name: 'End broadcast' }).click();
    await this.page.getByTestId('dialog').getByRole('button', { name: 'End broadcast' }).click();
  }

  liveRow(room: string): Locator {
    return this.page.getByTestId('live-table').locator(`[data-room="${room}"]`);
  }

  /** Turns to a view of the dashboard. */
  async show(view: string): Promise<void> {
    await this.page.getByRole('navigation').getByRole('link', { name: view }).click();
    await expect(this.page.getByRole('heading', { level: 1, name: view })).toBeVisible();
  }

  endedRow(broadcast: string): Locator {
    return this.page.getByTestId('ended-table').locator(`[data-broadcast="${broadcast}"]`);
  }
}
