// Playing one sound: from its best window, looped, louder or softer, all at the same loudness.
import { audioAddress, tryAudio } from "/assets/api.js";
import { remember, remembered } from "/assets/storage.js";
import { loudest, peaksOf } from "/assets/peaks.js";
import { signal } from "/assets/signal.js";

const HIGHEST_GAIN = 16;
const TARGET = 0.89;

const audio = new Audio();
audio.id = "audio";
audio.preload = "auto";
audio.volume = remembered("volume", 1);

const changed = signal();
/** Sent with {item, error} when a sound cannot be played. */
const failed = signal();
let item = null;
let looped = remembered("loop", false);
let normalised = remembered("normalise", false);
let context = null;
let gain = null;
let ticking = 0;
let again = null;

function bestWindow() {
  return item && item.end_s > item.start_s ? [item.start_s, item.end_s] : [0, item?.duration_s ?? 0];
}

/** Route the sound through a gain; made when first wanted, as browsers ask for a key press. */
function route() {
  if (context || !normalised) return;
  context = new AudioContext();
  gain = context.createGain();
  context.createMediaElementSource(audio).connect(gain).connect(context.destination);
}

function level() {
  if (!gain) return;
  const peaks = item && peaksOf(item.id);
  const most = peaks ? loudest(peaks) : 0;
  gain.gain.value = normalised && most ? Math.min(HIGHEST_GAIN, TARGET / most) : 1;
}

function tick() {
  ticking = 0;
  if (audio.paused) return;
  if (looped) {
    const [start, end] = bestWindow();
    if (audio.currentTime >= end || audio.currentTime < start - 0.5) audio.currentTime = start;
  }
  changed.send("time");
  ticking = requestAnimationFrame(tick);
}

async function start() {
  route();
  if (context?.state === "suspended") await context.resume();
  level();
  try {
    await audio.play();
  } catch (error) {
    if (error.name === "NotAllowedError") failed.send({ item, error: new Error("The browser wants a click before it plays sound.") });
  }
}

audio.addEventListener("play", () => {
  if (!ticking) ticking = requestAnimationFrame(tick);
  changed.send("state");
});
audio.addEventListener("pause", () => changed.send("state"));
audio.addEventListener("seeked", () => changed.send("time"));
audio.addEventListener("ended", () => {
  if (looped) player.play(item);
  else changed.send("state");
});
audio.addEventListener("error", async () => {
  const asked = item;
  if (!asked) return;
  try {
    await tryAudio(asked.id);
  } catch (error) {
    failed.send({ item: asked, error });
    return;
  }
  if (asked !== item) return;
  // The server had asked for a pause, or the line broke: once more.
  if (again !== asked.id) {
    again = asked.id;
    audio.src = audioAddress(asked.id);
    player.play(asked);
  } else {
    failed.send({ item: asked, error: new Error("The browser cannot decode it.") });
  }
});
audio.addEventListener("playing", () => {
  again = null;
});

export const player = {
  /** Sent with "sound", "state" (playing or not, options) or "time". */
  changed,
  failed,
  element: audio,
  get item() {
    return item;
  },
  get playing() {
    return !audio.paused && !audio.ended;
  },
  get time() {
    return audio.currentTime;
  },
  get looped() {
    return looped;
  },
  get normalised() {
    return normalised;
  },
  get volume() {
    return audio.volume;
  },
  get muted() {
    return audio.muted;
  },
  /** Play `next` from `from` seconds: by default from its best window. */
  play(next, from = null) {
    if (!next) return;
    const other = next.id !== item?.id;
    item = next;
    const at = from ?? bestWindow()[0];
    if (other) audio.src = audioAddress(next.id);
    audio.currentTime = Math.max(0, Math.min(at, Math.max(0, next.duration_s - 0.01)));
    changed.send("sound");
    return start();
  },
  toggle() {
    if (!item) return;
    if (!audio.paused) audio.pause();
    else if (audio.ended) player.play(item);
    else start();
  },
  stop() {
    audio.pause();
  },
  seek(seconds) {
    if (item) audio.currentTime = Math.max(0, Math.min(seconds, Math.max(0, item.duration_s - 0.05)));
    changed.send("time");
  },
  setVolume(value) {
    audio.volume = Math.max(0, Math.min(1, value));
    audio.muted = false;
    remember("volume", audio.volume);
    changed.send("state");
  },
  mute() {
    audio.muted = !audio.muted;
    changed.send("state");
  },
  loop() {
    looped = !looped;
    remember("loop", looped);
    changed.send("state");
  },
  normalise() {
    normalised = !normalised;
    remember("normalise", normalised);
    if (normalised && !audio.paused) route();
    level();
    changed.send("state");
  },
  level,
};
