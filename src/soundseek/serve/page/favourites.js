// Sounds that were starred, in this browser, for this library.
import { signal } from "/assets/signal.js";
import { remember, remembered } from "/assets/storage.js";

let key = "favourites";
let starred = new Map();

export const favouritesChanged = signal();

// The path as well: after a library is made anew, a number can be another sound.
const same = (item) => starred.get(item.path);

/** Favourites belong to a library: numbers mean nothing in another one. */
export function openFavourites(library) {
  key = `favourites:${library}`;
  starred = new Map(remembered(key, []).map((item) => [item.path, item]));
  favouritesChanged.send();
}

export const isFavourite = (item) => Boolean(same(item));
export const favourites = () => [...starred.values()];

/** Star or unstar; false where this browser keeps nothing. */
export function toggleFavourite(item) {
  if (same(item)) starred.delete(item.path);
  else {
    const { id, name, path, folder, duration_s, sample_rate, channels, format, caption, start_s, end_s } = item;
    starred.set(path, { id, name, path, folder, duration_s, sample_rate, channels, format, caption, start_s, end_s });
  }
  const kept = remember(key, favourites());
  favouritesChanged.send();
  return kept;
}
