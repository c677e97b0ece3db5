// Short messages in the corner: what happened, and what to do about it.
import { byId, el, iconButton, textButton } from "/assets/dom.js";

const STAYS_MS = 5000;
const WRONG_STAYS_MS = 12000;

/** Show `title` and `text`; `act` is {text, does} for a button. Returns what takes it away. */
export function toast(title, { text = "", wrong = false, act = null, stays = false } = {}) {
  const node = el("div", { class: wrong ? "toast wrong" : "toast", role: wrong ? "alert" : "status" });
  const away = () => node.remove();
  const body = el("div", {}, el("b", {}, title), text && el("p", {}, text));
  if (act) {
    body.append(
      textButton(act.text, () => {
        away();
        act.does();
      }),
    );
  }
  node.append(body, iconButton("close", "Close this message", away));
  const all = byId("toasts");
  for (const other of all.children) if (other.querySelector("b")?.textContent === title) other.remove();
  all.append(node);
  if (!stays) setTimeout(away, wrong ? WRONG_STAYS_MS : STAYS_MS);
  return away;
}

/** Show an error of the API with its remedy. */
export function complain(error, title = null) {
  if (error?.name === "AbortError") return;
  const text = [title ? error.message : error.detail, error.remedy].filter(Boolean).join(" ");
  toast(title ?? error.title ?? error.message, { text, wrong: true });
}
