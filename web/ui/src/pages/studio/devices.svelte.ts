import { words } from '../../words/words.ts';
import { devicesIn, keepChoice, readChoice, type Choice, type Device } from './choice.ts';

const text = words.studio.devices;

/** The cameras and microphones of this machine as state that a page can show, and which of them were chosen. */
export class Devices {
  cameras = $state.raw<Device[]>([]);
  microphones = $state.raw<Device[]>([]);
  choice = $state.raw<Choice>(readChoice());
  readonly #changed = () => void this.look();

  constructor() {
    // Outside of a secure context there are none.
    navigator.mediaDevices?.addEventListener('devicechange', this.#changed);
    void this.look();
  }

  /** Looks again. Nobody is told when the browser begins to tell names: that is after the first use of a device. */
  async look(): Promise<void> {
    const all = (await navigator.mediaDevices?.enumerateDevices().catch(() => [])) ?? [];
    this.cameras = devicesIn(all, 'videoinput', text.cameraNumber);
    this.microphones = devicesIn(all, 'audioinput', text.microphoneNumber);
  }

  choose(change: Partial<Choice>): void {
    this.choice = { ...this.choice, ...change };
    keepChoice(this.choice);
  }

  close(): void {
    navigator.mediaDevices?.removeEventListener('devicechange', this.#changed);
  }
}
