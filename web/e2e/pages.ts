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
  get chatLines(): Locator {
    return this.page.getByTestId('chat-log').locator('li[data-offset] .text');
  }

  async wantLamp(state: string, timeout = 5_000): Promise<void> {
    await expect(this.lamp).toHaveAttribute('data-state', state, { timeout });
  }

  async wantConnection(state: string, timeout = 10_000): Promise<void> {
    await expect(this.connection).toHaveAttribute('data-state', state, { timeout });
  }

  async say(text: string): Promise<void> {
    await this.page.getByLabel('Say something').fill(text);
    await this.page.getByRole('button', { name: 'Send' }).click();
    await expect(this.page.getByLabel('Say something')).toHaveValue('');
  }

  async goLive(title: string): Promise<void> {
    await this.page.getByLabel('Title').fill(title);
    await this.page.getByRole('button', { name: 'Go live' }).click();
  }

  liveRow(room: string): Locator {
    return this.page.getByTestId('live-table').locator(`[data-room="${room}"]`);
  }

  endedRow(broadcast: string): Locator {
    return this.page.getByTestId('ended-table').locator(`[data-broadcast="${broadcast}"]`);
  }
}
