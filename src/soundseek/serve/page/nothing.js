// When there is nothing to list: why, and what to do about it.
import { byId, el, textButton } from "/assets/dom.js";
import { icon } from "/assets/icons.js";

/** `ways`: pairs of a text and what its button does. */
export function showNothing(picture, title, text, ways = []) {
  const buttons = ways.map(([name, does], turn) => textButton(name, does, { class: turn ? "text-button" : "text-button main" }));
  const node = byId("nothing");
  node.replaceChildren(icon(picture), el("h3", {}, title), ...[].concat(text).map((line) => el("p", {}, line)), el("div", { class: "ways" }, ...buttons));
  node.hidden = false;
}

export function hideNothing() {
  byId("nothing").hidden = true;
}
