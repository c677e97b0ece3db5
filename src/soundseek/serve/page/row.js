// One sound of the list: making its row once, and filling it again and again while scrolling.
import { el, iconButton, setAttribute, setText } from "/assets/dom.js";
import { changeIcon } from "/assets/icons.js";
import { isFavourite } from "/assets/favourites.js";
import { loudest, peaksOf, trouble } from "/assets/peaks.js";
import { player } from "/assets/player.js";
import { queryWords, shortFolder } from "/assets/naming.js";
import { drawWaveform } from "/assets/waveform.js";
import { clock, length, meaning } from "/assets/words.js";

const hidden = { tabindex: "-1" };

export function make() {
  const cell = (name, ...children) => el("div", { class: `c-${name}`, role: "gridcell" }, ...children);
  const play = el("button", { type: "button", class: "play", icon: "play", "aria-label": "Play", data: { does: "play" }, ...hidden });
  play.append(el("span", { class: "rank" }));
  const button = (icon, label, does, props = {}) => iconButton(icon, label, null, { data: { does }, ...hidden, ...props });
  return el(
    "div",
    { class: "row", role: "row", draggable: "true" },
    cell("play", play),
    cell("text", el("div", { class: "name" }), el("div", { class: "where" }, el("span", { class: "folder" }), el("span", { class: "caption" }))),
    cell("wave", el("div", { class: "wave", data: { does: "seek" } }, el("canvas", { "aria-hidden": "true" }))),
    cell("score", el("b"), el("small")),
    cell("length"),
    cell("format"),
    cell(
      "tools",
      button("more", "More like this (Enter)", "more", { class: "icon-button more" }),
      button("star", "Favourite (f)", "favourite", { "aria-pressed": "false" }),
      button("dots", "Other actions (m)", "menu", { "aria-haspopup": "menu" }),
    ),
  );
}

/** Text with the words of the query marked in it. */
function marked(node, text) {
  const words = queryWords();
  const wanted = `${text}\u0000${words?.source ?? ""}`;
  if (node.dataset.shown === wanted) return;
  node.dataset.shown = wanted;
  if (!words) {
    node.textContent = text;
    return;
  }
  // With one group in the pattern, every second part is a match.
  node.replaceChildren(...text.split(words).map((part, turn) => (turn % 2 ? el("mark", {}, part) : part)));
}

function describe(item, index, score) {
  const parts = [`${index + 1}. ${item.name}`];
  if (item.caption) parts.push(item.caption);
  if (score) parts.push(score.before ? `${score.unit} ${score.value}` : `${score.value} ${score.unit}`);
  parts.push(length(item.duration_s), item.format);
  if (item.start_s) parts.push(`best from ${clock(item.start_s)}`);
  if (isFavourite(item)) parts.push("favourite");
  return parts.join(", ");
}

export function fill(row, item, index, active) {
  row.classList.toggle("active", active);
  row.classList.toggle("waiting", !item);
  setAttribute(row, "aria-selected", String(active));
  const [play, text, wave, scored, long, format, tools] = row.children;
  if (!item) {
    row.dataset.id = "";
    setAttribute(row, "aria-label", `${index + 1}. Loading`);
    for (const node of [text.firstChild, text.lastChild.firstChild, text.lastChild.lastChild]) {
      node.textContent = "";
      delete node.dataset.shown;
    }
    for (const node of [scored.firstChild, scored.lastChild, long, format, play.firstChild.lastChild]) setText(node, "");
    paint(row, null);
    return;
  }
  const score = meaning(item);
  row.dataset.id = item.id;
  row.classList.toggle("gone", Boolean(trouble(item.id)));
  setText(play.firstChild.lastChild, String(index + 1));
  marked(text.firstChild, item.name);
  const [folder, caption] = text.lastChild.children;
  marked(folder, shortFolder(item.folder));
  const said = trouble(item.id)?.message ?? item.caption ?? "";
  marked(caption, said);
  caption.hidden = !said;
  setAttribute(text, "title", said ? `${item.path}\n${said}` : item.path);
  setText(scored.firstChild, score?.value ?? "");
  setText(scored.lastChild, score?.unit ?? "");
  scored.classList.toggle("unit-first", Boolean(score?.before));
  setAttribute(scored, "title", score?.text ?? "");
  setText(long, length(item.duration_s));
  setText(format, item.format);
  setAttribute(tools.children[1], "aria-pressed", String(isFavourite(item)));
  setAttribute(row, "aria-label", describe(item, index, score));
  paint(row, item);
}

/** Draw the waveform and the play button: what changes while a sound plays. */
export function paint(row, item) {
  const playing = item && player.item?.id === item.id;
  row.classList.toggle("sounding", Boolean(playing && player.playing));
  const button = row.firstChild.firstChild;
  changeIcon(button, playing && player.playing ? "pause" : "play");
  setAttribute(button, "aria-label", playing && player.playing ? "Pause" : "Play");
  const peaks = item && peaksOf(item.id);
  drawWaveform(row.children[2].firstChild.firstChild, {
    peaks,
    duration: item?.duration_s ?? 0,
    start: item?.start_s ?? null,
    end: item?.end_s ?? null,
    played: playing ? player.time : null,
    gain: peaks && player.normalised ? Math.min(16, 1 / Math.max(0.001, loudest(peaks))) : 1,
  });
}
