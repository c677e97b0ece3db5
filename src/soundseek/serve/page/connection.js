// The server went away: say so, try again later and later, carry on when it is back.
import { lost } from "/assets/api.js";
import { byId, el, textButton } from "/assets/dom.js";
import { signal } from "/assets/signal.js";

const LONGEST_S = 30;

/** Sent when the server answers again. */
export const back = signal();
/** Sent with true or false: whether the server answers. */
export const reachable = signal();

let away = false;
let wait = 1;
let left = 0;
let timer = 0;

async function knock() {
  clearInterval(timer);
  try {
    const answer = await fetch("/healthz", { cache: "no-store" });
    if (answer.ok) {
      away = false;
      wait = 1;
      byId("banner").hidden = true;
      reachable.send(true);
      back.send();
      return;
    }
  } catch {
    // Still away.
  }
  wait = Math.min(LONGEST_S, wait * 2);
  count();
}

function count() {
  left = wait;
  const seconds = el("span", {}, "");
  byId("banner").replaceChildren(el("span", {}, "The server does not answer. Is soundseek serve still running? "), seconds, textButton("Try now", knock));
  byId("banner").hidden = false;
  const tell = () => {
    seconds.textContent = `Trying again in ${left} s.`;
  };
  tell();
  clearInterval(timer);
  timer = setInterval(() => {
    left -= 1;
    if (left <= 0) knock();
    else tell();
  }, 1000);
}

export function watchConnection() {
  lost.listen(() => {
    if (away) return;
    away = true;
    reachable.send(false);
    count();
  });
  window.addEventListener("online", () => away && knock());
}
