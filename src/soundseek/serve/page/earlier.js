// Earlier searches, newest first: in a menu, and with the up arrow in the box as in a shell.
import { byId } from "/assets/dom.js";
import { showMenu } from "/assets/menu.js";
import { remember, remembered } from "/assets/storage.js";

const KEPT = 50;
let queries = remembered("earlier", []).filter((query) => typeof query === "string");
let at = -1;

export function keepQuery(query) {
  const text = query.trim();
  at = -1;
  if (text.length < 2 || text === queries[0]) return;
  queries = [text, ...queries.filter((other) => other !== text)].slice(0, KEPT);
  remember("earlier", queries);
}

/** The query before (`step` 1) or after (-1) the one last shown; undefined past the ends. */
export function stepBack(step) {
  const next = at + step;
  if (next >= queries.length || next < -1) return undefined;
  at = next;
  return at < 0 ? "" : queries[at];
}

export function startEarlier(ask) {
  const button = byId("history");
  button.addEventListener("click", () => {
    const items = queries.slice(0, 15).map((text) => ({ icon: "clock", text, does: () => ask(text) }));
    const forget = () => {
      queries = [];
      remember("earlier", queries);
    };
    if (items.length) items.push("line", { icon: "close", text: "Forget them all", does: forget });
    showMenu(button, items, { label: "Earlier searches", empty: "What you search for is kept here, in this browser only." });
  });
}
