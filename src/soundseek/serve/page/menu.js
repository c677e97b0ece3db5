// A menu beside a button: arrow keys move, Escape closes, focus goes back where it was.
import { byId, el } from "/assets/dom.js";
import { icon } from "/assets/icons.js";

let open = null;

export function closeMenu() {
  open?.();
}

/**
 * `items`: {icon, text, does, note} or "line"; `empty` is said where there are none. `back` gets
 * the focus when the menu closes (default: what had it).
 */
export function showMenu(button, items, { label, empty = "", back = document.activeElement } = {}) {
  closeMenu();
  const entries = items.map((item) => {
    if (item === "line") return el("hr", { role: "separator" });
    const entry = el("button", { type: "button", role: "menuitem", tabindex: "-1" });
    if (item.icon) entry.append(icon(item.icon));
    entry.append(el("span", {}, item.text));
    if (item.note) entry.append(el("kbd", { "aria-hidden": "true" }, item.note));
    entry.addEventListener("click", () => {
      close();
      item.does();
    });
    return entry;
  });
  const menu = el("div", { class: "menu", role: "menu", "aria-label": label, tabindex: "-1" }, ...entries);
  if (!items.length) menu.append(el("p", { role: "menuitem", "aria-disabled": "true" }, empty));

  function close() {
    if (open !== close) return;
    open = null;
    const within = menu.contains(document.activeElement);
    menu.remove();
    button.setAttribute("aria-expanded", "false");
    document.removeEventListener("pointerdown", outside, true);
    if (within) back?.focus();
  }

  function outside(event) {
    if (!menu.contains(event.target)) close();
  }

  menu.addEventListener("keydown", (event) => {
    const all = [...menu.querySelectorAll("button")];
    const at = all.indexOf(document.activeElement);
    const go = { ArrowDown: at + 1, ArrowUp: at < 0 ? all.length - 1 : at - 1, Home: 0, End: all.length - 1 }[event.key];
    if (go !== undefined && all.length) all[(go + all.length) % all.length].focus();
    else if (event.key === "Escape" || event.key === "Tab") close();
    else if (event.key === "Enter" || event.key === " ") document.activeElement.click();
    else return;
    event.preventDefault();
    event.stopPropagation();
  });

  byId("results").append(menu);
  button.setAttribute("aria-expanded", "true");
  const place = button.getBoundingClientRect();
  const size = menu.getBoundingClientRect();
  const left = Math.max(8, Math.min(place.right - size.width, innerWidth - size.width - 8));
  const below = place.bottom + 4 + size.height <= innerHeight - 8;
  menu.style.left = `${left}px`;
  menu.style.top = `${below ? place.bottom + 4 : Math.max(8, place.top - size.height - 4)}px`;
  open = close;
  document.addEventListener("pointerdown", outside, true);
  (menu.querySelector("button") ?? menu).focus();
}
