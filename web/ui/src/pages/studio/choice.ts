/** The devices to use, by their ids. Empty: whichever the browser takes. */
export interface Choice {
  camera: string;
  microphone: string;
}

/** In the place of a microphone's id: none at all. */
export const noMicrophone = 'none';

/** The ids last as long as the permission to use the devices, and are another set on each site. */
const key = 'tallylight.devices';

/** The last choice on this machine, if the browser keeps one. */
export function readChoice(): Choice {
  try {
    const kept: unknown = JSON.parse(localStorage.getItem(key) ?? '{}');
    const { camera, microphone } = kept as Record<string, unknown>;
    return { camera: asId(camera), microphone: asId(microphone) };
  } catch {
    return { camera: '', microphone: '' };
  }
}

export function keepChoice(choice: Choice): void {
  try {
    localStorage.setItem(key, JSON.stringify(choice));
  } catch {
    // A browser that keeps nothing asks again next time.
  }
}

const asId = (value: unknown) => (typeof value === 'string' ? value : '');

/** What to ask the browser for. A device that it only wished for would have to win against the size of the picture. */
export function constraintsFor({ camera, microphone }: Choice): { video: MediaTrackConstraints; audio: MediaTrackConstraints | boolean } {
  return {
    video: { width: { ideal: 1280 }, height: { ideal: 720 }, ...(camera !== '' && { deviceId: { exact: camera } }) },
    audio: microphone === noMicrophone ? false : microphone === '' || { deviceId: { exact: microphone } },
  };
}

/** The same choice on a machine that has other devices today. */
export function anyOf({ microphone }: Choice): Choice {
  return { camera: '', microphone: microphone === noMicrophone ? noMicrophone : '' };
}

/** A device that can be chosen. */
export interface Device {
  id: string;
  name: string;
}

/** The devices of a kind. Before the browser lets a page use any, it says that there are some, but neither which nor how many. */
export function devicesIn(all: readonly MediaDeviceInfo[], kind: MediaDeviceKind, numbered: (n: number) => string): Device[] {
  // On Windows each device that has a role is listed once more for it, `communications`.
  return all
    .filter((device) => device.kind === kind && device.deviceId !== '' && device.deviceId !== 'communications')
    .map(({ deviceId, label }, i) => ({ id: deviceId, name: label || numbered(i + 1) }));
}
