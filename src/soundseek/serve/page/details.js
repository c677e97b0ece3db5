// Everything known about one sound: where it lies, what is said of it, whom to thank.
import { get } from "/assets/api.js";
import { el, textButton } from "/assets/dom.js";
import { facts, openDialog } from "/assets/dialogs.js";
import { copy } from "/assets/clipboard.js";
import { bytes, length } from "/assets/words.js";

const CHANNELS = { 1: "mono", 2: "stereo" };
const WHO = { user: "", captioner: " (described by the captioner)" };

function part(title, ...children) {
  return el("section", {}, el("h3", {}, title), ...children);
}

function attribution(clip) {
  const { text, licence } = clip.attribution ?? {};
  if (!text && !licence) return part("Attribution", el("p", { class: "soft" }, "None is known: neither the file nor one beside it says who made it."));
  const whole = [text, licence].filter(Boolean).join(" · ");
  return part("Attribution", el("p", {}, whole), textButton("Copy the attribution", () => copy(whole, "Attribution copied")));
}

export async function showDetails(item) {
  const clip = await get(`/clips/${item.id}`);
  const sound = [length(clip.duration_s), `${clip.sample_rate / 1000} kHz`, CHANNELS[clip.channels] ?? `${clip.channels} channels`, clip.format, clip.size_bytes && bytes(clip.size_bytes)];
  openDialog(
    clip.name,
    part("File", el("p", {}, el("code", {}, clip.path)), textButton("Copy the path", () => copy(clip.path, "Path copied"))),
    attribution(clip),
    clip.captions?.length ? part("Said of it", el("ul", {}, ...clip.captions.map((one) => el("li", {}, one.text, el("span", { class: "soft" }, WHO[one.source] ?? ""))))) : null,
    facts([
      ["Sound", sound.filter(Boolean).join(" · ")],
      ["Tags", clip.tags?.join(", ")],
      ["Content", clip.content_hash && el("code", {}, clip.content_hash)],
    ]),
  );
}
