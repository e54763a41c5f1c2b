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

/** How much of the scale a meter falls from one time to the next: 20 dB in 1.7 s, as broadcasters' do (IEC 60268-10, type I). */
const fallEach = ((20 / -silence) * everyMs) / 1_700;

/**
 * Where a meter stands that stood at shown the time before: at once as high as what is heard, and down slowly, so that the
 * eye has the time to see a short sound.
 */
export function fall(shown: number, heard: number): number {
  return Math.max(heard, shown - fallEach);
}

/** The most samples at once that an analyser gives. */
const mostSamples = 32_768;

/** How many samples to look at each time, so that all of the sound is, even if the next time is a little late. */
export function windowOf(sampleRate: number): number {
  const between = (sampleRate * everyMs * 1.5) / 1000;
  return Math.min(mostSamples, 2 ** Math.ceil(Math.log2(between)));
}

/** Tells how loud a stream with sound is, again and again, until the function that it returns is called. */
export function measure(stream: MediaStream, tell: (level: number) => void): () => void {
  const context = new AudioContext();
  const analyser = context.createAnalyser();
  analyser.fftSize = windowOf(context.sampleRate);
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
