import { afterEach, expect, test, vi } from 'vitest';
import { anyOf, constraintsFor, devicesIn, keepChoice, noMicrophone, readChoice } from '../src/pages/studio/choice.ts';

afterEach(() => void vi.unstubAllGlobals());

function storage(kept: Record<string, string> = {}) {
  const getItem = (key: string) => kept[key] ?? null;
  const setItem = (key: string, value: string) => void (kept[key] = value);
  vi.stubGlobal('localStorage', { getItem, setItem });
}

test('the last choice is there again', () => {
  storage();
  expect(readChoice()).toEqual({ camera: '', microphone: '' });
  keepChoice({ camera: 'front', microphone: noMicrophone });
  expect(readChoice()).toEqual({ camera: 'front', microphone: noMicrophone });
});

test.each(['', 'null', '7', '[]', '{"camera":7,"microphone":null}', '{broken'])('what else is kept there (%s) is no choice', (kept) => {
  storage({ 'tallylight.devices': kept });
  expect(readChoice()).toEqual({ camera: '', microphone: '' });
});

test('a browser that keeps nothing is no reason to fail', () => {
  const refuse = () => {
    throw new DOMException('no', 'SecurityError');
  };
  vi.stubGlobal('localStorage', { getItem: refuse, setItem: refuse });
  expect(readChoice()).toEqual({ camera: '', microphone: '' });
  expect(() => keepChoice({ camera: 'front', microphone: '' })).not.toThrow();
});

test('a chosen device is insisted on, and any other one asked for where it is gone', () => {
  const chosen = { camera: 'front', microphone: 'desk' };
  const { video, audio } = constraintsFor(chosen);
  expect(video).toMatchObject({ deviceId: { exact: 'front' } });
  expect(audio).toEqual({ deviceId: { exact: 'desk' } });
  expect(constraintsFor(anyOf(chosen)).video).not.toHaveProperty('deviceId');
  expect(constraintsFor(anyOf(chosen)).audio).toBe(true);
});

test('no microphone is no microphone, on any machine', () => {
  const chosen = { camera: 'front', microphone: noMicrophone };
  expect(constraintsFor(chosen).audio).toBe(false);
  expect(constraintsFor(anyOf(chosen)).audio).toBe(false);
});

const device = (kind: MediaDeviceKind, deviceId: string, label: string) => ({ kind, deviceId, label }) as MediaDeviceInfo;

test('devices are listed by name, or by number, and not before the browser tells which there are', () => {
  const numbered = (n: number) => `Camera ${n}`;
  const all = [device('audioinput', 'a', 'Desk'), device('videoinput', 'f', 'Front'), device('videoinput', 'b', '')];
  expect(devicesIn(all, 'videoinput', numbered)).toEqual([
    { id: 'f', name: 'Front' },
    { id: 'b', name: 'Camera 2' },
  ]);
  expect(devicesIn([device('videoinput', '', '')], 'videoinput', numbered)).toEqual([]);
  expect(devicesIn([device('audioinput', 'communications', 'Desk')], 'audioinput', numbered)).toEqual([]);
});
