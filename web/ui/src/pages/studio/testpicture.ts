const width = 640;
const height = 360;
const bars = ['#c0c0c0', '#c0c000', '#00c0c0', '#00c000', '#c000c0', '#c00000', '#0000c0'];

/** Colour bars with a clock and something that moves, so that one sees whether the picture stands still. */
export function testPicture(): MediaStream {
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
