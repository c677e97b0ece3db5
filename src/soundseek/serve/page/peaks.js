// Waveforms: fetched when rows come to rest in view, a few at a time, and kept.
import { get, isAbort } from "/assets/api.js";
import { signal } from "/assets/signal.js";

const AT_ONCE = 4;
const KEPT = 1500;

const kept = new Map();
const failed = new Map();
const running = new Map();
let queue = [];

/** Sent with an id when its waveform has come, or cannot. */
export const arrived = signal();

const key = (id, bins) => `${id}/${bins}`;

/** The peaks of a clip, or undefined where they are not here (yet). */
export function peaksOf(id, bins = 400) {
  const found = kept.get(key(id, bins));
  if (found) {
    kept.delete(key(id, bins));
    kept.set(key(id, bins), found);
  }
  return found;
}

/** Why the waveform of a clip cannot be drawn, if so. */
export const trouble = (id) => failed.get(id);

export function loudest(peaks) {
  let most = 0;
  for (let bin = 0; bin < peaks.max.length; bin += 1) most = Math.max(most, peaks.max[bin] / 127, -peaks.min[bin] / 128);
  return most;
}

function keep(name, answer) {
  kept.set(name, { duration: answer.duration_s, min: Int8Array.from(answer.min), max: Int8Array.from(answer.max) });
  if (kept.size > KEPT) kept.delete(kept.keys().next().value);
}

async function fetchOne({ id, bins }) {
  const name = key(id, bins);
  const aborter = new AbortController();
  running.set(name, aborter);
  try {
    keep(name, await get(`/clips/${id}/peaks`, { bins }, aborter.signal));
    failed.delete(id);
  } catch (error) {
    if (!isAbort(error) && error.status) failed.set(id, error);
  } finally {
    running.delete(name);
  }
  if (!aborter.signal.aborted) arrived.send(id);
  next();
}

function next() {
  while (running.size < AT_ONCE && queue.length) fetchOne(queue.shift());
}

/** Fetch these clips' waveforms, in this order, and no others that were asked for in this way. */
export function wantPeaks(ids, bins = 400) {
  const wanted = new Set(ids.map((id) => key(id, bins)));
  for (const [name, aborter] of running) if (name.endsWith(`/${bins}`) && !wanted.has(name)) aborter.abort();
  queue = queue.filter((one) => one.bins !== bins);
  for (const id of ids) {
    const name = key(id, bins);
    if (!kept.has(name) && !running.has(name) && !failed.has(id)) queue.push({ id, bins });
  }
  next();
}
