import { words } from '../../words/words.ts';

const text = words.studio.picture;

/** What a streamer can send from a page. */
export type Source = keyof typeof text.sources;

/** The sources that this browser knows: phones share no screens. */
export function knownSources(): Source[] {
  const all = Object.keys(text.sources) as Source[];
  return all.filter((source) => source !== 'screen' || navigator.mediaDevices?.getDisplayMedia !== undefined);
}

/** Gets a stream from a source. Rejects as the browser does, when it is not allowed or not there. */
export async function openSource(source: Source): Promise<MediaStream> {
  if (source === 'test') return testPicture();
  if (!navigator.mediaDevices) throw new DOMException('no secure context', 'SecurityError');
  if (source === 'screen') return navigator.mediaDevices.getDisplayMedia({ video: true, audio: true });
  return navigator.mediaDevices.getUserMedia({ video: { width: { ideal: 1280 }, height: { ideal: 720 } }, audio: true });
}

/** Stops a stream's devices: the light beside the camera goes out. */
export function stop(stream: MediaStream | undefined): void {
  stream?.getTracks().forEach((track) => track.stop());
}

/** Why a source could not be had. */
export function sourceProblem(error: unknown): string {
  const problems: Record<string, string> = text.problems;
  return (error instanceof DOMException && problems[error.name]) || text.problem;
}

const width = 640;
const height = 360;
const bars = ['#c0c0c0', '#c0c000', '#00c0c0', '#00c000', '#c000c0', '#c00000', '#0000c0'];

/** Colour bars with a clock and something that moves, so that one sees whether the picture stands still. */
function testPicture(): MediaStream {
  const canvas = document.createElement('canvas');
  canvas.width = width;
  canvas.height = height;
  const pen = canvas.getContext('2d')!;
  const stream = canvas.captureStream(30);
  const [track] = stream.getVideoTracks();
  const draw = () => {
    if (track?.readyState === 'ended') {
      clearInterval(drawing);
      return;
    }
    drawTestPicture(pen, Date.now());
  };
  // Not by animation frames, which stop in a page that is hidden.
  const drawing = setInterval(draw, 1000 / 30);
  draw();
  return stream;
}

function drawTestPicture(pen: CanvasRenderingContext2D, now: number): void {
  const wide = width / bars.length;
  bars.forEach((colour, i) => {
    pen.fillStyle = colour;
    pen.fillRect(i * wide, 0, wide + 1, height);
  });
  pen.fillStyle = '#101418';
  pen.fillRect(0, height * 0.62, width, height * 0.38);
  pen.fillStyle = '#ffffff';
  pen.font = '600 56px monospace';
  pen.textAlign = 'center';
  pen.fillText(new Date(now).toISOString().slice(11, 21), width / 2, height * 0.86);
  const at = ((now % 2000) / 2000) * width;
  pen.fillRect(at, height * 0.62, 24, 12);
}
