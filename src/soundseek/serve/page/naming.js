// Folders as people know them, and the words of the query to mark in names.
import { state } from "/assets/state.js";

let roots = [];

/** Folders are shown from these on: the last part of a root, then what is below it. */
export function setRoots(paths) {
  roots = [...paths].sort((one, other) => other.length - one.length);
}

const last = (path) => path.split(/[\\/]/).filter(Boolean).pop() ?? path;

export function shortFolder(folder = "") {
  for (const root of roots) {
    if (folder === root) return last(root);
    if (folder.startsWith(root) && /[\\/]/.test(folder[root.length] ?? "")) {
      return `${last(root)} › ${folder.slice(root.length + 1).split(/[\\/]/).join(" › ")}`;
    }
  }
  return folder;
}

const COMMON = new Set(["and", "the", "with", "from", "into", "over", "that", "this", "while", "then", "for"]);

/** "barking" → "bark", so that it is seen in "dog_bark" as well. */
const stem = (word) => (word.length > 4 ? word.replace(/(?:ing|ed|s)$/, "") : word);

let pattern = null;
let patternOf = "";

/** A pattern with one group for the words of the query; null for none. */
export function queryWords() {
  const { q } = state();
  if (q !== patternOf) {
    patternOf = q;
    const words = (q.toLowerCase().match(/[\p{L}\p{N}]{3,}/gu) ?? []).filter((word) => !COMMON.has(word));
    const stems = [...new Set(words.map(stem))];
    // From the beginning of a word on: rain is in "raining", not in "train".
    pattern = stems.length ? new RegExp(`(?<!\\p{L})((?:${stems.join("|")})\\p{L}*)`, "giu") : null;
  }
  return pattern;
}
