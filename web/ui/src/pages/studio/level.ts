/** Below this many decibels of the loudest there can be, a room is silent. */
const silence = -60;

/** How loud samples are, from 0 (silence) to 1 (as loud as it goes), on a scale on which a voice is in the middle. */
export function loudness(samples: Float32Array): number {
  const square = samples.reduce((sum, sample) => sum + sample * sample, 0) / Math.max(1, samples.length);
  const decibels = 10 * Math.log10(square);
  return Math.min(1, Math.max(0, 1 - decibels / silence));
}

/** How often it is measured: more often the eye does not follow. */
const everyMs = 100;

/** Measures how loud a stream with sound is, until the function that it returns is called. */
export function measure(stream: MediaStream, tell: (level: number) => void): () => void {
  const context = new AudioContext();
  const analyser = context.createAnalyser();
  context.createMediaStreamSource(stream).connect(analyser);
  const samples = new Float32Array(analyser.fftSize);
  const measuring = setInterval(() => {
    analyser.getFloatTimeDomainData(samples);
    tell(loudness(samples));
  }, everyMs);
  return () => {
    clearInterval(measuring);
    void context.close();
  };
}
