// The search box: words, and beside them the sounds that are searched by or left out.
import { askWithout } from "/assets/actions.js";
import { byId, el, iconButton } from "/assets/dom.js";
import { keepQuery, startEarlier, stepBack } from "/assets/earlier.js";
import { NOTHING, asks, change, changed, state } from "/assets/state.js";

const TYPING_MS = 250;
let timer = 0;

function chip(kind, text, away, extra = null) {
  return el("span", { class: kind ? "chip" : "chip not", title: text }, kind && el("b", {}, kind), el("span", {}, text), extra, iconButton("close", `Take away: ${text}`, away));
}

/** How much the sound counts beside the words, once there are both. */
function weight() {
  if (!state().q.trim()) return null;
  return el("input", {
    type: "range",
    min: "0",
    max: "1",
    step: "0.1",
    value: state().weight,
    "aria-label": "How much the sound counts beside the words",
    title: "words ↔ sound",
    onchange: (event) => change({ weight: Number(event.target.value) }, { quiet: true }),
  });
}

function drawChips() {
  const { like, likeName, upload, uploadName, without } = state();
  const chips = byId("ask-chips");
  const focused = chips.contains(document.activeElement);
  chips.replaceChildren();
  if (like) chips.append(chip("like", likeName || `sound ${like}`, () => change({ like: "", likeName: "" }), weight()));
  if (upload) chips.append(chip("sound", uploadName || "your sound", () => change({ upload: "", uploadName: "" }), weight()));
  for (const words of without) chips.append(chip("", words, () => change({ without: without.filter((one) => one !== words) })));
  if (focused) byId("q").focus();
}

function draw() {
  const box = byId("q");
  // What is being typed is newer than what has been searched for.
  if (document.activeElement !== box || !timer) box.value = state().q;
  box.placeholder = state().like || state().upload ? "and words, if you like" : "Describe a sound: heavy rain on a tin roof";
  byId("clear").hidden = !(asks(state()) || state().without.length || state().view);
  byId("leave-out").hidden = !asks(state());
  drawChips();
}

export function clearSearch() {
  clearTimeout(timer);
  timer = 0;
  byId("q").value = "";
  const { q, like, likeName, upload, uploadName, without, weight: half, view } = NOTHING;
  change({ q, like, likeName, upload, uploadName, without, weight: half, view });
}

/** Search for `text` now, as a step that the back button knows. */
export function ask(text) {
  clearTimeout(timer);
  timer = 0;
  byId("q").value = text;
  keepQuery(text);
  change({ q: text, view: "" });
}

/** Show an earlier search in the box, and what it finds, without calling it a new one. */
function recall(text) {
  byId("q").value = text;
  change({ q: text, view: "" }, { quiet: true });
}

export function startSearchBox({ toResults }) {
  const box = byId("q");
  box.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      timer = 0;
      const first = !asks(state());
      change({ q: box.value, view: "" }, { quiet: !first });
    }, TYPING_MS);
  });
  box.addEventListener("keydown", (event) => {
    if (event.isComposing || event.altKey || event.ctrlKey || event.metaKey) return;
    if (event.key === "ArrowDown") {
      toResults();
    } else if (event.key === "ArrowUp") {
      const before = stepBack(1);
      if (before !== undefined) recall(before);
    } else if (event.key === "Escape") {
      if (box.value || asks(state()) || state().view) clearSearch();
      else toResults(false);
    } else if (event.key === "Backspace" && !box.value && (state().like || state().upload)) {
      change({ like: "", likeName: "", upload: "", uploadName: "" });
    } else return;
    event.preventDefault();
  });
  box.addEventListener("change", () => keepQuery(box.value));
  byId("ask").addEventListener("submit", (event) => {
    event.preventDefault();
    ask(box.value);
  });
  byId("leave-out").addEventListener("click", askWithout);
  byId("clear").addEventListener("click", () => {
    clearSearch();
    box.focus();
  });
  startEarlier((text) => {
    ask(text);
    box.focus();
  });
  changed.listen(draw);
  draw();
}
