// What can be done with one sound, from its buttons, its menu and the keyboard alike.
import { downloadAddress } from "/assets/api.js";
import { copy } from "/assets/clipboard.js";
import { announce, byId, el } from "/assets/dom.js";
import { showDetails } from "/assets/details.js";
import { isFavourite, toggleFavourite } from "/assets/favourites.js";
import { showMenu } from "/assets/menu.js";
import { asks, change, state } from "/assets/state.js";
import { complain, toast } from "/assets/toasts.js";
import { spokenName } from "/assets/words.js";

function moreLike(item) {
  change({ q: "", like: item.id, likeName: item.name, upload: "", uploadName: "", without: [], view: "" });
  announce(`Sounds like ${item.name}`);
}

/**
 * Less like this: what the sound is, in words, becomes something the search does without. The
 * words are its caption, else its tags, else those of its name; a name like rec_0033 has none.
 */
function lessLike(item) {
  if (!asks(state())) {
    toast("Search for something first", { text: "Then “less like this” takes sounds of that kind out of what is found." });
    return;
  }
  const words = item.caption || item.tags?.join(", ") || spokenName(item.name);
  if (!words) {
    toast("Nothing says what this sound is", { text: "It has no caption, and its name has no words. Describe what you do not want.", act: { text: "Describe it", does: askWithout } });
    return;
  }
  leaveOut(words);
}

export function leaveOut(words) {
  if (state().without.includes(words)) return;
  change({ without: [...state().without, words] });
  announce(`Without ${words}`);
}

/** Let people type what they do not want. */
export function askWithout() {
  const chips = byId("ask-chips");
  const field = el("input", {
    class: "field",
    "aria-label": "Sounds to leave out",
    placeholder: "without …",
    onkeydown: (event) => {
      event.stopPropagation();
      if (event.key === "Escape") field.remove();
      if (event.key !== "Enter") return;
      event.preventDefault();
      const words = field.value.trim();
      field.remove();
      byId("q").focus();
      if (words) leaveOut(words);
    },
    onblur: () => field.remove(),
  });
  chips.append(field);
  field.focus();
}

function favourite(item) {
  const kept = toggleFavourite(item);
  announce(isFavourite(item) ? `${item.name} is a favourite` : `${item.name} is no favourite any more`);
  if (!kept) toast("This browser does not keep favourites", { text: "They stay until the page is closed. Export them before.", wrong: true });
}

function download(item) {
  const link = el("a", { href: downloadAddress(item.id), download: item.name, class: "unseen" });
  document.body.append(link);
  link.click();
  link.remove();
}

const does = {
  more: moreLike,
  less: lessLike,
  favourite,
  copy: (item) => copy(item.path, "Path copied"),
  details: (item) => showDetails(item).catch(complain),
  download,
};

/** Do `name` with `item`; `button` is where a menu opens. */
export function act(name, item, button = null) {
  if (!item) return;
  if (name !== "menu") {
    does[name](item);
    return;
  }
  showMenu(
    button,
    [
      { icon: "more", text: "More like this", note: "Enter", does: () => act("more", item) },
      { icon: "less", text: "Less like this", note: "←", does: () => act("less", item) },
      "line",
      { icon: "star", text: isFavourite(item) ? "No favourite any more" : "Favourite", note: "f", does: () => act("favourite", item) },
      { icon: "copy", text: "Copy the path", note: "c", does: () => act("copy", item) },
      { icon: "info", text: "Details and attribution", note: "i", does: () => act("details", item) },
      { icon: "download", text: "Download", note: "d", does: () => act("download", item) },
    ],
    { label: `Actions for ${item.name}`, back: byId("grid") },
  );
}
