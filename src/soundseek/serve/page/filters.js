// Filters: how long, which folder, which format.
import { get } from "/assets/api.js";
import { byId, el, iconButton, textButton } from "/assets/dom.js";
import { shortFolder } from "/assets/naming.js";
import { change, changed, narrows, state } from "/assets/state.js";
import { folderTree } from "/assets/tree.js";
import { count } from "/assets/words.js";

const PRESETS = [
  ["< 2 s", null, 2],
  ["2–10 s", 2, 10],
  ["10–60 s", 10, 60],
  ["> 1 min", 60, null],
];

const toggled = (list, value) => (list.includes(value) ? list.filter((one) => one !== value) : [...list, value]);

function option(label, many, checked, onchange, title = label) {
  return el(
    "label",
    { class: "option", title },
    el("input", { type: "checkbox", checked, onchange }),
    el("span", { class: "what" }, label),
    el("span", { class: "many" }, count(many)),
  );
}

function lengths() {
  const { min, max } = state();
  const presets = PRESETS.map(([text, from, to]) => {
    const on = min === from && max === to;
    return textButton(text, () => change(on ? { min: null, max: null } : { min: from, max: to }), { "aria-pressed": String(on) });
  });
  const field = (label, value, key) =>
    el("input", {
      class: "field",
      type: "number",
      min: "0",
      step: "any",
      inputmode: "decimal",
      placeholder: label,
      "aria-label": label === "from" ? "Shortest length in seconds" : "Longest length in seconds",
      value: value ?? "",
      onchange: (event) => {
        const typed = event.target.value.trim();
        change({ [key]: typed === "" || !(Number(typed) >= 0) ? null : Number(typed) });
      },
    });
  return el("section", {}, el("h2", {}, "Length"), el("div", { class: "presets" }, ...presets), el("div", { class: "range" }, field("from", min, "min"), "–", field("to", max, "max"), "s"));
}

function formats(known) {
  const boxes = known.map(({ value, count: many }) => option(value, many, state().formats.includes(value), () => change({ formats: toggled(state().formats, value) })));
  return el("section", {}, el("h2", {}, "Format"), ...boxes);
}

function folders(known) {
  const leaf = ({ path, name, many }) => option(name, many, state().folders.includes(path), () => change({ folders: toggled(state().folders, path) }), shortFolder(path));
  return el("section", {}, el("h2", {}, "Folder"), folderTree(known, state().folders, leaf));
}

let facets = { formats: [], folders: [] };

function draw() {
  const node = byId("filters");
  const focused = node.contains(document.activeElement) ? [...node.querySelectorAll("button, input")].indexOf(document.activeElement) : -1;
  const number = narrows(state());
  const clear = number ? textButton("Clear", () => change({ min: null, max: null, folders: [], formats: [] }), { class: "text-button quiet" }) : null;
  const close = iconButton("close", "Close the filters", () => showFilters(false), { class: "icon-button only-narrow" });
  node.replaceChildren(
    el("div", { class: "filters-head" }, el("h2", {}, "Filters"), el("span", {}, clear, close)),
    lengths(),
    facets.folders.length ? folders(facets.folders) : "",
    facets.formats.length ? formats(facets.formats) : "",
  );
  byId("filters-count").textContent = number ? ` (${number})` : "";
  if (focused >= 0) [...node.querySelectorAll("button, input")][Math.min(focused, node.querySelectorAll("button, input").length - 1)]?.focus();
}

function showFilters(open) {
  byId("filters").classList.toggle("open", open);
  byId("filters-open").setAttribute("aria-expanded", String(open));
  (open ? byId("filters").querySelector("button, input") : byId("filters-open"))?.focus();
}

/** Ask what there is to filter by; quiet where the server does not answer. */
export async function refreshFilters() {
  facets = await get("/facets").catch(() => facets);
  draw();
}

export function startFilters() {
  byId("filters-open").addEventListener("click", () => showFilters(!byId("filters").classList.contains("open")));
  byId("filters").addEventListener("keydown", (event) => {
    if (event.key === "Escape" && byId("filters").classList.contains("open")) showFilters(false);
  });
  document.addEventListener("pointerdown", (event) => {
    const open = byId("filters").classList.contains("open");
    if (open && !event.target.closest("#filters, #filters-open")) showFilters(false);
  });
  changed.listen(draw);
  draw();
}
