// What is being looked for. The address of the page holds all of it, so that back, forward,
// reload and a bookmark do what people expect.
import { signal } from "/assets/signal.js";

export const NOTHING = Object.freeze({
  q: "",
  like: "",
  likeName: "",
  upload: "",
  uploadName: "",
  without: [],
  weight: 0.5,
  min: null,
  max: null,
  folders: [],
  formats: [],
  sort: "name",
  view: "",
});

const TEXTS = { q: "q", like: "like", likeName: "like_name", upload: "upload", uploadName: "upload_name", sort: "sort", view: "view" };
const NUMBERS = { min: "min", max: "max", weight: "weight" };
const LISTS = { without: "without", folders: "folder", formats: "format" };

export function read(search) {
  const from = new URLSearchParams(search);
  const state = { ...NOTHING };
  for (const [key, name] of Object.entries(TEXTS)) state[key] = from.get(name) ?? NOTHING[key];
  for (const [key, name] of Object.entries(NUMBERS)) {
    const number = from.has(name) ? Number(from.get(name)) : NaN;
    state[key] = Number.isFinite(number) ? number : NOTHING[key];
  }
  for (const [key, name] of Object.entries(LISTS)) state[key] = from.getAll(name);
  return state;
}

export function write(state) {
  const to = new URLSearchParams();
  for (const [key, name] of Object.entries({ ...TEXTS, ...NUMBERS })) {
    if (state[key] !== NOTHING[key]) to.set(name, String(state[key]));
  }
  for (const [key, name] of Object.entries(LISTS)) for (const one of state[key]) to.append(name, one);
  const text = to.toString();
  return text ? `?${text}` : location.pathname;
}

/** True where something is asked; without, the library is browsed. */
export const asks = (state) => Boolean(state.q.trim() || state.like || state.upload);

export const narrows = (state) =>
  state.folders.length + state.formats.length + (state.min !== null || state.max !== null ? 1 : 0);

let current = read(location.search);
/** Sent with the new state after every change. */
export const changed = signal();

export const state = () => current;

/** Change some of it. `quiet` keeps the step out of the browser's history: typing is one step. */
export function change(patch, { quiet = false } = {}) {
  current = { ...current, ...patch };
  const url = write(current);
  if (quiet || url === location.search) history.replaceState(null, "", url);
  else history.pushState(null, "", url);
  changed.send(current);
}

window.addEventListener("popstate", () => {
  current = read(location.search);
  changed.send(current);
});
