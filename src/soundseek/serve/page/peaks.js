// Waveforms: fetched when rows come to rest in view, a few at a time, and kept.
import { get } from "/assets/api.js";
import { signal } from "/assets/signal.js";

const AT_ONCE = 4;
const KEPT = 1500;
const BINS = 800;
const LASTING = new Set([404, 406, 409, 422]);

const kept = new Map();
const failed = new Map();
const untrue = new Map();
const running = new Map();
let queue = [];

/** Sent with an id when its waveform has come, or cannot. */
export const arrived = signal();

/** The peaks of a clip, or undefined where they are not here (yet). */
export function peaksOf(id) {
  const found = kept.get(id);
  if (found) {
    kept.delete(id);
    kept.set(id, found);
  }
  return found;
}

/** What is wrong with a clip, if anything is. */
export const trouble = (id) => untrue.get(id) ?? failed.get(id);

export function loudest(peaks) {
  let most = 0;
  for (let bin = 0; bin < peaks.max.length; bin += 1) most = Math.max(most, peaks.max[bin] / 127, -peaks.min[bin] / 128);
  return most;
}

function keep(id, answer) {
  kept.set(id, { min: Int8Array.from(answer.min), max: Int8Array.from(answer.max) });
  if (kept.size > KEPT) kept.delete(kept.keys().next().value);
}

async function fetchOne(id) {
  const aborter = new AbortController();
  running.set(id, aborter);
  try {
    keep(id, await get(`/clips/${id}/peaks`, { bins: BINS }, aborter.signal));
    failed.delete(id);
  } catch (error) {
    // A busy server is asked again the next time the row is seen; a broken file is not.
    if (LASTING.has(error.status)) failed.set(id, error);
  } finally {
    running.delete(id);
  }
  if (!aborter.signal.aborted) arrived.send(id);
  next();
}

function next() {
  while (running.size < AT_ONCE && queue.length) fetchOne(queue.shift());
}

/** Fetch the waveforms of these clips, in this order, and stop fetching others. */
export function wantPeaks(ids) {
  const wanted = new Set(ids);
  for (const [id, aborter] of running) if (!wanted.has(id)) aborter.abort();
  queue = ids.filter((id) => !kept.has(id) && !running.has(id) && !failed.has(id));
  next();
}

/** Say that a clip is not what the list takes it for. */
export function tellTrouble(id, error) {
  untrue.set(id, error);
  arrived.send(id);
}

/** Try again what failed, after the library has changed. */
export function forgetTroubles() {
  failed.clear();
  untrue.clear();
}
