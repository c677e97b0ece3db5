// The library: what is in it, listening to its folders again, and what could not be read.
import { get } from "/assets/api.js";
import { reachable } from "/assets/connection.js";
import { byId, el, setText, textButton } from "/assets/dom.js";
import { facts, openDialog } from "/assets/dialogs.js";
import { currentJob, isRunning, jobMoved, startJob, stopJob } from "/assets/jobs.js";
import { signal } from "/assets/signal.js";
import { complain } from "/assets/toasts.js";
import { clock, count, plural } from "/assets/words.js";

/** Sent with the status whenever it was asked for. */
export const statusCame = signal();
let status = null;

export async function refreshStatus() {
  status = await get("/status");
  statusCame.send(status);
  showChip();
}

function showChip() {
  const job = currentJob();
  const running = isRunning(job);
  const sounds = status?.library.files;
  const listening = job?.total ? `${count(job.done)} of ${count(job.total)}` : "Looking for sounds";
  setText(byId("library-text"), running ? listening : sounds === undefined ? "Library" : plural(sounds, "sound"));
  byId("library-chip").title = running ? "Listening to new sounds; open for details" : "The library";
  byId("library-dot").classList.toggle("working", running);
}

const DOING = { listening: "Listening", captioning: "Describing in words" };
const CONCLUSIONS = { done: "Done", failed: "Stopped by an error", cancelled: "Stopped", queued: "About to begin", running: "Listening" };

function failures(job) {
  if (!job?.failed_count) return null;
  const more = job.failed_count - job.failed.length;
  return el(
    "section",
    {},
    el("h3", {}, plural(job.failed_count, "file could not be read", "files could not be read")),
    el("ul", { class: "failures", tabindex: "0", "aria-label": "Files that could not be read" }, ...job.failed.map(({ path, reason }) => el("li", {}, el("b", {}, path), reason)), more > 0 ? el("li", {}, `and ${count(more)} more; see soundseek library status`) : null),
  );
}

function progress(job) {
  if (!job) return null;
  const running = isRunning(job);
  const bar = el("progress", { "aria-label": "Indexing", max: String(job.total || 1) });
  if (!running || job.total) bar.value = running ? job.done : job.total || 1;
  const left = [job.rate && `${job.rate.toFixed(1)} files/s`, job.eta_s && `${clock(job.eta_s)} left`];
  const counts = [`${count(job.done)} of ${plural(job.total ?? 0, job.doing === "captioning" ? "sound" : "file")}`, `${count(job.indexed ?? 0)} new or changed`];
  if (job.unchanged) counts.push(`${count(job.unchanged)} unchanged`);
  if (job.captioned) counts.push(`${count(job.captioned)} described`);
  return el(
    "section",
    { class: "progress" },
    el("div", { class: "progress-line" }, el("b", { class: job.state === "failed" ? "bad" : "" }, (running && DOING[job.doing]) || CONCLUSIONS[job.state] || job.state), el("span", {}, running ? left.filter(Boolean).join(" · ") : "")),
    running || job.state === "cancelled" ? bar : null,
    el("div", { class: "progress-line soft" }, el("span", {}, counts.join(" · "))),
    running ? el("p", { class: "soft one-line", title: job.current ?? "" }, job.current ?? "") : null,
    job.error ? el("p", { class: "bad" }, typeof job.error === "string" ? job.error : (job.error.detail ?? "")) : null,
    job.note ? el("p", { class: "soft" }, job.note) : null,
    running ? el("div", {}, textButton("Stop after this file", () => stopJob().catch(complain))) : null,
  );
}

function roots(begin) {
  const running = isRunning();
  const rows = status.roots.map((root) =>
    el("li", { class: "root" }, el("code", {}, root.path), root.available ? null : el("span", { class: "bad soft" }, "not there"), textButton("Listen again", () => begin([root.index]), { disabled: running || !root.available })),
  );
  const all = rows.length > 1 ? textButton("Listen to all again", () => begin(null), { disabled: running }) : null;
  return el("section", {}, el("h3", {}, "Folders"), rows.length ? el("ul", {}, ...rows) : el("p", { class: "soft" }, "None yet. On the command line: soundseek index ~/sounds"), all && el("p", {}, all));
}

function contents() {
  const { library, model, captioner, version } = status;
  return facts([
    ["Library", el("code", {}, library.path)],
    ["Sounds", `${count(library.files)} · ${library.hours.toFixed(1)} hours`],
    ["Not readable", library.failed ? count(library.failed) : ""],
    ["Missing", library.missing ? `${count(library.missing)} files have gone; they come back when their folder does` : ""],
    ["With captions", library.captioned ? count(library.captioned) : ""],
    ["Model", `${model.name}${model.calibrated ? "" : " (not calibrated: scores are shown as places in the library)"}`],
    ["Captioner", captioner],
    ["Version", `soundseek ${version}`],
  ]);
}

export function showLibrary() {
  const dialog = openDialog("The library");
  const holder = el("div", { class: "dialog-body" });
  dialog.body.replaceWith(holder);
  const captions = el("input", { type: "checkbox" });
  const begin = (chosen) => startJob(chosen, captions.checked).catch(complain);
  const describing = () => (status.captioner ? el("label", { class: "option" }, captions, el("span", { class: "what" }, `Describe new sounds in words (${status.captioner})`)) : null);
  const moving = el("div", { class: "progress-holder" });

  function drawJob() {
    const within = moving.contains(document.activeElement);
    const parts = [progress(currentJob()), failures(currentJob())].filter(Boolean);
    moving.replaceChildren(...parts);
    if (within) moving.querySelector("button")?.focus();
  }

  function drawAll() {
    if (!status) {
      holder.replaceChildren(el("p", { class: "soft" }, "The server does not answer yet."));
      return;
    }
    holder.replaceChildren(moving, contents(), el("div", {}, roots(begin), describing()));
    moving.hidden = !currentJob();
    drawJob();
  }

  let was = isRunning();
  const stops = [
    statusCame.listen(drawAll),
    jobMoved.listen(() => {
      if (was === isRunning() && !moving.hidden) drawJob();
      else drawAll();
      was = isRunning();
    }),
  ];
  dialog.closed.then(() => stops.forEach((stop) => stop()));
  drawAll();
  refreshStatus().catch(() => {});
}

export function startLibraryPanel() {
  byId("library-chip").addEventListener("click", showLibrary);
  reachable.listen((here) => byId("library-dot").classList.toggle("lost", !here));
  jobMoved.listen(() => {
    const job = currentJob();
    showChip();
    const bar = byId("busy");
    bar.classList.toggle("measured", isRunning(job) && job.total > 0);
    bar.style.transform = isRunning(job) && job.total ? `scaleX(${job.done / job.total})` : "";
  });
}
