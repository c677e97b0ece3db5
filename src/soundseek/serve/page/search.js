// From what is looked for to a list that can be shown: search, browse or favourites.
import { get, isAbort } from "/assets/api.js";
import { favourites } from "/assets/favourites.js";
import { localList, pagedList } from "/assets/pages.js";
import { signal } from "/assets/signal.js";
import { asks, narrows, state } from "/assets/state.js";

/** Sent with {kind, list, first} when there is something to show, {kind, error} when not. */
export const answered = signal();
/** Sent with true while an answer is awaited. */
export const awaited = signal();

let latest = null;

const filtersOf = ({ min, max, folders, formats }) => ({ min_duration: min, max_duration: max, folder: folders, format: formats });

function searching(what) {
  const both = what.q.trim() && (what.like || what.upload);
  const query = {
    q: what.q.trim(),
    like: what.like,
    upload: what.upload,
    without: what.without.join(", "),
    like_weight: both ? what.weight : null,
    ...filtersOf(what),
  };
  return pagedList(async (offset, limit, aborted) => {
    const answer = await get("/search", { ...query, offset, limit }, aborted);
    return { ...answer, items: answer.hits };
  });
}

function browsing(what) {
  const query = { sort: what.sort, ...filtersOf(what) };
  return pagedList(async (offset, limit, aborted) => {
    const answer = await get("/clips", { ...query, offset, limit }, aborted);
    return { total: answer.total, items: answer.clips };
  });
}

/** Find what the state asks for. A search that was still running is cancelled. */
export async function find() {
  latest?.close();
  const what = state();
  const kind = what.view === "favourites" ? "favourites" : asks(what) ? "search" : "browse";
  const list = kind === "favourites" ? localList(favourites()) : kind === "search" ? searching(what) : browsing(what);
  latest = list;
  awaited.send(true);
  try {
    const first = await list.open();
    if (latest !== list) return;
    awaited.send(false);
    answered.send({ kind, list, first, narrowed: narrows(what) > 0 });
  } catch (error) {
    if (latest !== list || isAbort(error)) return;
    awaited.send(false);
    answered.send({ kind, error });
  }
}
