// Numbers and names as people read them.
const COUNT = new Intl.NumberFormat("en");

export const count = (n) => COUNT.format(n);

export const plural = (n, one, many = `${one}s`) => `${count(n)} ${n === 1 ? one : many}`;

/** 4.2 → "4.2 s", 63 → "1:03", 3 700 → "1:01:40". */
export function length(seconds) {
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  return clock(seconds);
}

/** 4.2 → "0:04". */
export function clock(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  const two = (n) => String(n).padStart(2, "0");
  const hours = Math.floor(whole / 3600);
  const minutes = Math.floor(whole / 60) % 60;
  return hours ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
}

export function bytes(n) {
  if (n < 1e6) return `${Math.max(1, Math.round(n / 1e3))} kB`;
  return n < 1e9 ? `${(n / 1e6).toFixed(1)} MB` : `${(n / 1e9).toFixed(1)} GB`;
}

/** What a score means: a value, its unit (`before` it or after), and a sentence on both. */
export function meaning(hit) {
  if (typeof hit.probability === "number") {
    // Nothing is certain: the ends are told as such.
    const percent = Math.max(1, Math.min(99, Math.round(hit.probability * 100)));
    const sign = hit.probability > 0.995 ? "> " : hit.probability < 0.005 ? "< " : "";
    return {
      value: `${sign}${percent} %`,
      unit: "likely",
      text: `${percent} % likely: of 100 hits with this score, about ${percent} were marked as right when the model was tested. Others may have fitted, too.`,
    };
  }
  if (typeof hit.percentile === "number") {
    const top = Math.max(0, 100 - hit.percentile);
    const shown = top < 1 ? "< 1" : String(Math.round(top));
    return { value: `${shown} %`, unit: "top", before: true, text: `Fits at least as well as ${hit.percentile.toFixed(1)} % of the library.` };
  }
  if (typeof hit.similarity === "number") {
    return { value: hit.similarity.toFixed(2), unit: "alike", text: "Similarity from -1 to 1: how near this sound is to what you asked for." };
  }
  return null;
}

const SAYS_NOTHING = new Set(["rec", "recording", "zoom", "tascam", "audio", "sound", "sounds", "track", "take", "untitled", "file", "clip", "sample", "mix", "final", "new", "copy", "voice", "memo", "stereo", "mono", "wav"]);

/** The words of a file name: "dog_bark-02.wav" → "dog bark"; "" where it says nothing. */
export function spokenName(name) {
  const words = name
    .replace(/\.[^.]*$/, "")
    .replace(/([a-z])([A-Z])/g, "$1 $2")
    .split(/[^\p{L}]+/u)
    .filter((word) => word.length > 2 && !SAYS_NOTHING.has(word.toLowerCase()));
  return words.join(" ").toLowerCase();
}

/** A remark as a sentence: "no such clip" → "No such clip." */
export function sentence(text) {
  if (!text) return "";
  const whole = text[0].toUpperCase() + text.slice(1);
  return /[.!?…]$/.test(whole) ? whole : `${whole}.`;
}
