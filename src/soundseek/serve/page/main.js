// Putting the parts together.
import { act } from "/assets/actions.js";
import { slowedDown } from "/assets/api.js";
import { checkSounds } from "/assets/checking.js";
import { back, watchConnection } from "/assets/connection.js";
import { startDock } from "/assets/dock.js";
import { startDragOut } from "/assets/drag-out.js";
import { byId, fillIcons, isTyping } from "/assets/dom.js";
import { keepQuery } from "/assets/earlier.js";
import { favouritesChanged, openFavourites } from "/assets/favourites.js";
import { refreshFilters, startFilters } from "/assets/filters.js";
import { showAnswer } from "/assets/found.js";
import { showHelp } from "/assets/help.js";
import { setLargestUpload, startIntake } from "/assets/intake.js";
import { findJob, isRunning, jobMoved } from "/assets/jobs.js";
import { startKeyboard } from "/assets/keyboard.js";
import { refreshStatus, startLibraryPanel, statusCame } from "/assets/library-panel.js";
import { virtualList } from "/assets/list.js";
import { startMoments } from "/assets/moments.js";
import { setRoots } from "/assets/naming.js";
import { arrived, forgetTroubles, wantPeaks } from "/assets/peaks.js";
import { player } from "/assets/player.js";
import * as row from "/assets/row.js";
import { answered, awaited, find } from "/assets/search.js";
import { clearSearch, startSearchBox } from "/assets/search-box.js";
import { change, changed, state } from "/assets/state.js";
import { recoloured, startTheme } from "/assets/theme.js";
import { complain, toast } from "/assets/toasts.js";

const grid = byId("grid");
const list = virtualList(grid, byId("grid-space"), row);

function audition(index) {
  if (!list.total) return;
  list.activate(Math.max(0, index));
  const item = list.item();
  if (item) player.play(item);
  else waitingFor = list.active;
  if (state().q) keepQuery(state().q);
}

// A row that was asked for before its page had come plays when it does.
let waitingFor = -1;

function playAwaited() {
  if (waitingFor >= 0 && waitingFor === list.active && list.item()) player.play(list.item());
  if (list.item(waitingFor)) waitingFor = -1;
}

function toResults(play = true) {
  grid.focus();
  if (play && list.active < 0) audition(0);
}

function showFavourites() {
  if (state().view === "favourites") clearSearch();
  else change({ view: "favourites", q: "", like: "", likeName: "", upload: "", uploadName: "", without: [] });
}

function itemAt(element) {
  return list.item(Number(element.dataset.index));
}

function clickRow(event) {
  const element = event.target.closest(".row");
  const item = element && itemAt(element);
  if (!item) return;
  const target = event.target.closest("[data-does]");
  const does = target?.dataset.does;
  list.activate(Number(element.dataset.index));
  grid.focus({ preventScroll: true });
  if (does === "seek") {
    const box = target.getBoundingClientRect();
    player.play(item, ((event.clientX - box.left) / box.width) * item.duration_s);
  } else if (does && does !== "play") {
    act(does, item, target);
  } else if (does === "play" && player.item?.id === item.id) {
    player.toggle();
  } else {
    player.play(item);
  }
  if (state().q) keepQuery(state().q);
}

function paintRow(id) {
  for (const element of list.rows().values()) if (element.dataset.id === id) row.paint(element, itemAt(element));
}

let painted = null;
player.changed.listen(() => {
  const id = player.item?.id;
  if (painted && painted !== id) paintRow(painted);
  if (id) paintRow(id);
  painted = id;
});
player.changed.listen((what) => what === "state" && list.redraw());
player.failed.listen(({ item, error }) => complain(error, `${item.name} does not play`));

list.seen.listen(({ first, last }) => {
  const ids = [];
  for (let index = first; index <= last; index += 1) if (list.item(index)) ids.push(list.item(index).id);
  wantPeaks(ids);
  if (state().view === "favourites") checkSounds(ids.map((id, turn) => list.item(first + turn)));
  playAwaited();
});
arrived.listen(() => list.redraw());
recoloured.listen(() => list.redraw());
favouritesChanged.listen(() => {
  byId("favourites").setAttribute("aria-pressed", String(state().view === "favourites"));
  if (state().view === "favourites") find();
  else list.redraw();
});

awaited.listen((waiting) => {
  byId("busy").classList.toggle("on", waiting);
  grid.classList.toggle("stale", waiting);
  grid.setAttribute("aria-busy", String(waiting));
});
answered.listen((answer) => {
  showAnswer(answer);
  if (answer.error) return;
  grid.parentElement.classList.toggle("browsing", answer.kind !== "search");
  const focused = list.active;
  list.show(answer.list);
  answer.list.failed.listen(complain);
  if (answer.kind === "favourites" && focused >= 0) list.activate(Math.min(focused, answer.list.total - 1));
});
changed.listen((now) => {
  byId("favourites").setAttribute("aria-pressed", String(now.view === "favourites"));
  document.title = now.q ? `${now.q} · soundseek` : "soundseek";
  find();
});

let wasRunning = false;
jobMoved.listen((job) => {
  if (wasRunning && !isRunning(job)) {
    const failed = job.failed_count ? `${job.failed_count} could not be read: see the library.` : "";
    toast(job.state === "done" ? "Indexing is done" : job.state === "cancelled" ? "Indexing was stopped" : "Indexing stopped with an error", { text: failed, wrong: job.state === "failed" });
    forgetTroubles();
    Promise.all([refreshStatus(), refreshFilters()]).catch(() => {});
    if (!isTyping(document.activeElement)) find();
  }
  wasRunning = isRunning(job);
});
statusCame.listen((status) => {
  setRoots(status.roots.map((root) => root.path));
  setLargestUpload(status.limits?.max_upload_bytes);
  list.redraw();
});
slowedDown.listen((seconds) => toast("The server asks for a pause", { text: `Carrying on in ${seconds} s.` }));

async function begin() {
  await refreshStatus().then(() => {}, () => {});
  await Promise.allSettled([refreshFilters(), findJob()]);
}

fillIcons();
startTheme();
startSearchBox({ toResults });
startFilters();
startLibraryPanel();
startIntake();
startMoments();
startDock({ step: (by) => audition(list.active + by) });
startDragOut(grid, itemAt);
startKeyboard({ list, audition, showFavourites });
watchConnection();
grid.addEventListener("click", clickRow);
byId("favourites").addEventListener("click", showFavourites);
byId("help").addEventListener("click", showHelp);
byId("home").addEventListener("click", (event) => {
  event.preventDefault();
  clearSearch();
});
statusCame.listen(
  (() => {
    let opened = "";
    return ({ library }) => {
      if (opened !== library.path) openFavourites(library.path);
      opened = library.path;
    };
  })(),
);
back.listen(() => {
  find();
  begin();
});
find();
begin();
