// Dialogs: the browser's own, so that focus stays inside and Escape closes.
import { el, iconButton } from "/assets/dom.js";

/** Show a dialog titled `title`; returns {body, close, closed}: the element to fill, and its end. */
export function openDialog(title, ...children) {
  const name = `dialog-${Math.random().toString(36).slice(2)}`;
  const body = el("div", { class: "dialog-body" }, ...children);
  const dialog = el(
    "dialog",
    { "aria-labelledby": name },
    el("div", { class: "dialog-head" }, el("h2", { id: name }, title), iconButton("close", "Close", () => dialog.close())),
    body,
  );
  const back = document.activeElement;
  const closed = new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      dialog.remove();
      back?.focus?.();
      resolve();
    });
  });
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) dialog.close();
  });
  document.body.append(dialog);
  dialog.showModal();
  return { body, close: () => dialog.close(), closed };
}

export const dialogIsOpen = () => Boolean(document.querySelector("dialog[open]"));

/** Pairs of a name and what it is, as a description list; pairs without a value are left out. */
export function facts(pairs) {
  const list = el("dl", { class: "facts" });
  for (const [name, value] of pairs) {
    if (value === null || value === undefined || value === "") continue;
    list.append(el("dt", {}, name), el("dd", {}, value));
  }
  return list;
}
