// A recording as a WAV file: every server can read it, whatever the browser records in.

/** 16-bit mono WAV of samples in -1 to 1. */
export function wavFile(samples, rate) {
  const data = new DataView(new ArrayBuffer(44 + samples.length * 2));
  const text = (at, word) => [...word].forEach((letter, turn) => data.setUint8(at + turn, letter.charCodeAt(0)));
  text(0, "RIFF");
  data.setUint32(4, 36 + samples.length * 2, true);
  text(8, "WAVEfmt ");
  data.setUint32(16, 16, true);
  data.setUint16(20, 1, true);
  data.setUint16(22, 1, true);
  data.setUint32(24, rate, true);
  data.setUint32(28, rate * 2, true);
  data.setUint16(32, 2, true);
  data.setUint16(34, 16, true);
  text(36, "data");
  data.setUint32(40, samples.length * 2, true);
  samples.forEach((value, turn) => data.setInt16(44 + turn * 2, Math.max(-1, Math.min(1, value)) * 32767, true));
  return new Blob([data], { type: "audio/wav" });
}

/** Anything the browser can decode, as a mono WAV. */
export async function asWav(blob) {
  const context = new AudioContext();
  try {
    const sound = await context.decodeAudioData(await blob.arrayBuffer());
    const mixed = new Float32Array(sound.length);
    for (let channel = 0; channel < sound.numberOfChannels; channel += 1) {
      sound.getChannelData(channel).forEach((value, turn) => {
        mixed[turn] += value / sound.numberOfChannels;
      });
    }
    return wavFile(mixed, sound.sampleRate);
  } finally {
    await context.close();
  }
}
