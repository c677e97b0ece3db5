// Every key of the page, in one place; help.js has the same in words.
import { act } from "/assets/actions.js";
import { byId, isTyping } from "/assets/dom.js";
import { dialogIsOpen } from "/assets/dialogs.js";
import { showHelp } from "/assets/help.js";
import { playMoment } from "/assets/moments.js";
import { player } from "/assets/player.js";
import { turnTheme } from "/assets/theme.js";

const SKIP_S = 2;

/** `list` is the list of sounds; `audition(index)` plays a row; `showFavourites` turns the view. */
export function startKeyboard({ list, audition, showFavourites }) {
  const step = (by) => audition(list.active + by);
  const on = (name) => () => act(name, list.item(), list.element()?.querySelector("[data-does=menu]"));
  const playPause = () => {
    const item = list.item();
    if (item && item.id !== player.item?.id) player.play(item);
    else if (player.item) player.toggle();
    else audition(0);
  };

  // Keys of the list, where arrows and Enter would otherwise mean something else.
  const inList = {
    ArrowDown: () => step(1),
    ArrowUp: () => (list.active > 0 ? step(-1) : byId("q").focus()),
    PageDown: () => step(list.perPage),
    PageUp: () => audition(Math.max(0, list.active - list.perPage)),
    Home: () => audition(0),
    End: () => audition(list.total - 1),
    Enter: on("more"),
    ArrowRight: on("more"),
    ArrowLeft: on("less"),
    Escape: () => byId("q").select(),
  };

  const anywhere = {
    "/": () => byId("q").select(),
    "?": showHelp,
    " ": playPause,
    0: () => player.item && player.play(player.item),
    f: on("favourite"),
    c: on("copy"),
    i: on("details"),
    d: on("download"),
    m: on("menu"),
    l: () => player.loop(),
    n: () => player.normalise(),
    s: () => player.mute(),
    t: turnTheme,
    v: showFavourites,
    ".": () => playMoment(1),
    ",": () => playMoment(-1),
    "+": () => player.setVolume(player.volume + 0.1),
    "=": () => player.setVolume(player.volume + 0.1),
    "-": () => player.setVolume(player.volume - 0.1),
    ArrowDown: () => byId("grid").focus() ?? step(1),
    ArrowUp: () => byId("grid").focus() ?? step(-1),
  };

  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || dialogIsOpen() || event.target.closest?.("[role=menu]")) return;
    if ((event.ctrlKey || event.metaKey) && event.key === "k") {
      event.preventDefault();
      byId("q").select();
      return;
    }
    if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    if (event.shiftKey && (key === "ArrowLeft" || key === "ArrowRight")) {
      event.preventDefault();
      player.seek(player.time + (key === "ArrowLeft" ? -SKIP_S : SKIP_S));
      return;
    }
    const within = byId("grid").contains(event.target);
    // Buttons and sliders keep the keys that work them.
    const own = !within && event.target.closest?.("button, a, input, [role=slider]");
    if (own && [" ", "Enter", "ArrowUp", "ArrowDown", "ArrowLeft", "ArrowRight", "-", "+"].includes(key)) return;
    const does = (within && inList[key]) || anywhere[key];
    if (!does) return;
    event.preventDefault();
    does();
  });
}
