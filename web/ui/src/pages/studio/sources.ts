import { words } from '../../words/words.ts';
import { anyOf, constraintsFor, type Choice } from './choice.ts';
import { testPicture } from './testpicture.ts';

const text = words.studio.picture;

/** What a streamer can send from a page. */
export type Source = keyof typeof text.sources;

/** A source that runs. */
export interface Opened {
  source: Source;
  /** What is shown and sent. */
  stream: MediaStream;
  /** The microphone in it, if there is one. */
  microphone: MediaStreamTrack | undefined;
  /** Stops the devices: the light beside the camera goes out. */
  close: () => void;
}

/** The sources that this browser knows: phones share no screens. */
export function knownSources(): Source[] {
  const all = Object.keys(text.sources) as Source[];
  return all.filter((source) => source !== 'screen' || navigator.mediaDevices?.getDisplayMedia !== undefined);
}

/** Gets a stream from a source. Rejects as the browser does, when it is not allowed or not there. */
export async function openSource(source: Source, choice: Choice): Promise<Opened> {
  if (source === 'test') return opened(source, testPicture(), undefined);
  if (!navigator.mediaDevices) throw new DOMException('no secure context', 'SecurityError');
  if (source === 'screen') return openScreen(choice);
  const stream = await openCamera(choice);
  return opened(source, stream, stream.getAudioTracks()[0]);
}

function opened(source: Source, stream: MediaStream, microphone: MediaStreamTrack | undefined): Opened {
  return { source, stream, microphone, close: () => stop(stream) };
}

function stop(...streams: MediaStream[]): void {
  for (const stream of streams) stream.getTracks().forEach((track) => track.stop());
}

/** A chosen device that is gone is no reason to have none: another one is taken. */
async function openCamera(choice: Choice): Promise<MediaStream> {
  try {
    return await openWhatIsThere(choice);
  } catch (error) {
    if (!isNamed(error, 'OverconstrainedError')) throw error;
    return openWhatIsThere(anyOf(choice));
  }
}

async function openWhatIsThere(choice: Choice): Promise<MediaStream> {
  const wanted = constraintsFor(choice);
  try {
    return await navigator.mediaDevices.getUserMedia(wanted);
  } catch (error) {
    if (!isNamed(error, 'NotFoundError')) throw error;
    // Asked for both, a browser gives neither where one is missing.
    const kinds = new Set((await navigator.mediaDevices.enumerateDevices()).map(({ kind }) => kind));
    const [video, audio] = [kinds.has('videoinput'), kinds.has('audioinput')];
    if (video === (audio && wanted.audio !== false)) throw error;
    return navigator.mediaDevices.getUserMedia(video ? { video: wanted.video } : { audio: wanted.audio });
  }
}

async function openVoice(choice: Choice): Promise<MediaStream | undefined> {
  const open = (audio: MediaTrackConstraints | boolean) => navigator.mediaDevices.getUserMedia({ audio });
  const { audio } = constraintsFor(choice);
  return audio === false ? undefined : open(audio).catch(() => open(true)).catch(() => undefined);
}

/** A screen with the voice of who shows it, if there is a microphone that may be used: without, it is a picture all the same. */
async function openScreen(choice: Choice): Promise<Opened> {
  const screen = await navigator.mediaDevices.getDisplayMedia({ video: true, audio: true });
  const voice = await openVoice(choice);
  const microphone = voice?.getAudioTracks()[0];
  if (!voice || !microphone) return opened('screen', screen, undefined);
  if (screen.getAudioTracks().length === 0) {
    screen.addTrack(microphone);
    return opened('screen', screen, microphone);
  }
  const mixed = mix(screen, voice);
  const stream = new MediaStream([...screen.getVideoTracks(), ...mixed.tracks]);
  return {
    source: 'screen',
    stream,
    microphone,
    close: () => {
      stop(stream, screen, voice);
      mixed.close();
    },
  };
}

/** The sound of two streams as one: a viewer gets one track of sound. */
function mix(...streams: MediaStream[]): { tracks: MediaStreamTrack[]; close: () => void } {
  const context = new AudioContext();
  const out = context.createMediaStreamDestination();
  for (const stream of streams) context.createMediaStreamSource(stream).connect(out);
  return { tracks: out.stream.getAudioTracks(), close: () => void context.close() };
}

/** Whether this is one of the browser's errors, by its name: not all are of one class. */
export function isNamed(error: unknown, name: string): boolean {
  return error instanceof Error && error.name === name;
}

/** Why a source could not be had. */
export function sourceProblem(error: unknown): string {
  const problems: Record<string, string> = text.problems;
  return (error instanceof DOMException && problems[error.name]) || text.problem;
}
