// What is above and instead of the list: how many, in which order, or why there are none.
import { announce, byId, el, iconButton, textButton } from "/assets/dom.js";
import { FORMATS, exportSounds } from "/assets/exporting.js";
import { favourites } from "/assets/favourites.js";
import { refreshStatus, showLibrary } from "/assets/library-panel.js";
import { showMenu } from "/assets/menu.js";
import { hideNothing, showNothing } from "/assets/nothing.js";
import { ask, clearSearch } from "/assets/search-box.js";
import { find } from "/assets/search.js";
import { change, state } from "/assets/state.js";
import { count, plural } from "/assets/words.js";

const EXPORTED = 1000;
const TRY = ["heavy rain on a roof", "a dog is barking", "footsteps on gravel"];

const clearFilters = () => change({ min: null, max: null, folders: [], formats: [] });

function order() {
  const choices = { name: "Name", newest: "Newest", duration: "Length" };
  const options = Object.entries(choices).map(([value, text]) => el("option", { value, selected: state().sort === value }, text));
  return el("select", { class: "field", "aria-label": "Order", onchange: (event) => change({ sort: event.target.value }, { quiet: true }) }, ...options);
}

/** Ids of the first sounds found, fetched where they have not been scrolled to. */
async function idsOf(list) {
  const ids = [];
  const number = Math.min(list.total, EXPORTED);
  for (let index = 0; index < number; index += 1) {
    if (!list.at(index)) {
      list.want(index, index);
      await new Promise((resolve) => {
        const stop = list.filled.listen(() => {
          stop();
          resolve();
        });
        setTimeout(resolve, 5000);
      });
    }
    if (list.at(index)) ids.push(list.at(index).id);
  }
  return ids;
}

function exporting(kind, list) {
  const name = kind === "favourites" ? "favourites" : "sounds";
  const choose = () =>
    showMenu(
      button,
      Object.entries(FORMATS).map(([format, text]) => ({ icon: "download", text, does: async () => exportSounds(format, await idsOf(list), name) })),
      { label: "Export as" },
    );
  const text = kind === "favourites" ? "Export" : `Export${list.total > EXPORTED ? ` first ${count(EXPORTED)}` : ""}`;
  const button = textButton(text, choose, { "aria-haspopup": "menu", "aria-expanded": "false" });
  return button;
}

function showHead({ kind, list, first }) {
  const { total } = list;
  const strong = el("b", {}, count(total));
  const words = {
    favourites: [strong, total === 1 ? " favourite" : " favourites"],
    browse: [strong, total === 1 ? " sound" : " sounds"],
    search: [strong, ` closest sounds · ${count(Math.round(first.took_ms ?? 0))} ms`],
  }[kind];
  const unknown = first.unknown_words?.length ? ` · not understood: ${first.unknown_words.join(", ")}` : "";
  byId("found-count").replaceChildren(...words, unknown);
  byId("found-tools").replaceChildren(...(kind === "browse" ? [order()] : []), ...(total ? [exporting(kind, list)] : []));
  if (kind === "favourites") byId("found-tools").append(iconButton("close", "Close the favourites", clearSearch));
}

function explainNothing({ kind, narrowed }) {
  if (kind === "favourites") {
    showNothing("star", "No favourites yet", "Press f on a sound, or its star, and it is kept here in this browser.", [["Back to the sounds", clearSearch]]);
  } else if (narrowed) {
    showNothing("filter", "No sound passes the filters", "Loosen the length, folder or format.", [["Clear the filters", clearFilters]]);
  } else if (kind === "browse") {
    showNothing("folder", "The library is empty", ["Have soundseek listen to a folder:", "soundseek index ~/sounds"], [["Open the library", showLibrary], ["Look again", () => refreshStatus().then(find)]]);
  } else {
    showNothing("silence", "Nothing found", "Describe what can be heard rather than what it is called.", TRY.map((text) => [text, () => ask(text)]));
  }
}

function explainError(error) {
  const again = ["Try again", find];
  if (error.status === 401 || error.status === 403) {
    showNothing("plug", "This server wants its token", "Open the address that soundseek serve printed: it ends in ?token=…");
  } else if (error.status === 429) {
    showNothing("clock", "Too many requests", error.remedy || "The server asks for a pause. Wait a moment.", [again]);
  } else if (state().upload && [404, 410].includes(error.status)) {
    showNothing("file", "The server has let go of your sound", "Sounds that were sent are kept for a while only. Drop it again.", [["Search without it", () => change({ upload: "", uploadName: "" })]]);
  } else if (state().like && error.status === 404) {
    showNothing("silence", "That sound is no longer in the library", error.remedy, [["Search without it", () => change({ like: "", likeName: "" })]]);
  } else {
    showNothing("plug", error.title ?? "That did not work", [error.detail, error.remedy].filter(Boolean), [again, ["All sounds", clearSearch]]);
  }
}

/** Show what `search.answered` sent. */
export function showAnswer(answer) {
  byId("grid").hidden = Boolean(answer.error) || !answer.list?.total;
  if (answer.error) {
    byId("found-count").textContent = "";
    byId("found-tools").replaceChildren();
    explainError(answer.error);
    announce(`${answer.error.title ?? "That did not work"}. ${answer.error.remedy ?? ""}`);
    return;
  }
  showHead(answer);
  if (!answer.list.total) {
    explainNothing(answer);
    announce("Nothing found");
    return;
  }
  hideNothing();
  if (answer.kind === "favourites") announce(plural(favourites().length, "favourite"));
  else announce(`${plural(answer.list.total, "sound")}${state().q ? ` for ${state().q}` : ""}`);
}
