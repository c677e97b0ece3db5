// All keys on one card.
import { el } from "/assets/dom.js";
import { openDialog } from "/assets/dialogs.js";

const GROUPS = {
  Search: [
    ["Go to the search box", "/"],
    ["Search now", "Enter"],
    ["Earlier search, in the box", "↑"],
    ["To the sounds, from the box", "↓"],
    ["Clear, or leave", "Esc"],
  ],
  Listen: [
    ["Play the next, the one before", "↓", "↑"],
    ["Play or pause", "Space"],
    ["From the best part", "0"],
    ["Back, forward 2 s", "Shift ←", "Shift →"],
    ["Where else in it, before and after", ",", "."],
    ["Loop the best part", "l"],
    ["All at the same loudness", "n"],
    ["Softer, louder", "-", "+"],
    ["Silence", "s"],
    ["First, last", "Home", "End"],
    ["A page up, down", "PgUp", "PgDn"],
  ],
  "Find others": [
    ["More like this", "Enter", "→"],
    ["Less like this", "←"],
  ],
  Keep: [
    ["Favourite", "f"],
    ["Show the favourites", "v"],
    ["Copy the path", "c"],
    ["Details and attribution", "i"],
    ["Download", "d"],
    ["All actions", "m"],
  ],
  Page: [
    ["Theme", "t"],
    ["This card", "?"],
  ],
};

export function showHelp() {
  const groups = Object.entries(GROUPS).map(([title, keys]) =>
    el(
      "section",
      {},
      el("h3", {}, title),
      el("dl", { class: "keys" }, ...keys.map(([text, ...names]) => el("div", {}, el("dt", {}, text), el("dd", {}, ...names.map((name) => el("kbd", {}, name)))))),
    ),
  );
  openDialog("Keys", ...groups);
}
