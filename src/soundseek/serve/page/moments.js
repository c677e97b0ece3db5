// Where else in a long recording it sounds like what was searched for.
import { get } from "/assets/api.js";
import { player } from "/assets/player.js";
import { signal } from "/assets/signal.js";
import { changed, state } from "/assets/state.js";

const LONG_S = 10;
const MOST = 8;
// Of the probability of the best one: what is less likely is not worth a mark.
const NEARLY = 0.25;
const APART_S = 0.25;
// Skipping through a list should not ask for every sound that is passed.
const STAYS_MS = 300;

/** Sent when the moments of the sound that plays have come, or are no longer known. */
export const momentsCame = signal();

let moments = [];
let timer = 0;
let aborter = null;

/** Parts of the sound that plays, in order of time: [{start_s, end_s}]. */
export const momentsOfPlaying = () => moments;

/** In order of time; those that touch are one. */
function joined(parts) {
  const out = [];
  for (const { start_s, end_s } of parts.toSorted((one, other) => one.start_s - other.start_s)) {
    const before = out.at(-1);
    if (before && start_s - before.end_s < APART_S) before.end_s = Math.max(before.end_s, end_s);
    else out.push({ start_s, end_s });
  }
  return out;
}

function look() {
  clearTimeout(timer);
  aborter?.abort();
  moments = [];
  momentsCame.send();
  const { item } = player;
  const q = state().q.trim();
  if (!item || !q || item.duration_s < LONG_S || state().view) return;
  timer = setTimeout(async () => {
    aborter = new AbortController();
    const answer = await get(`/clips/${item.id}/moments`, { q, limit: MOST }, aborter.signal).catch(() => null);
    if (!answer || player.item?.id !== item.id) return;
    const best = answer.moments[0]?.probability ?? 0;
    moments = joined(answer.moments.filter(({ probability }) => probability === null || probability >= NEARLY * best));
    momentsCame.send();
  }, STAYS_MS);
}

/** Play the next moment (`step` 1) or the one before (-1). */
export function playMoment(step) {
  const now = player.time;
  const next = step > 0 ? moments.find((one) => one.start_s > now + 0.2) : moments.findLast((one) => one.start_s < now - 1);
  if (next) player.play(player.item, next.start_s);
}

export function startMoments() {
  let playing = null;
  player.changed.listen((what) => {
    if (what !== "sound" || player.item?.id === playing) return;
    playing = player.item?.id;
    look();
  });
  let asked = state().q;
  changed.listen(({ q }) => {
    if (q !== asked) look();
    asked = q;
  });
}
