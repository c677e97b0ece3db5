// Building elements. Text is only ever set as text, so nothing that a file is called can be markup.
import { icon } from "/assets/icons.js";

export const byId = (id) => document.getElementById(id);

/** An element. Keys of `props`: `on*` listen, `class`, `data`, `icon`, others are attributes. */
export function el(tag, props = {}, ...children) {
  const node = document.createElement(tag);
  for (const [key, value] of Object.entries(props)) {
    if (value === undefined || value === null || value === false) continue;
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else if (key === "class") node.className = value;
    else if (key === "data") Object.assign(node.dataset, value);
    else if (key === "icon") node.append(icon(value));
    else if (key === "value" || key === "checked") node[key] = value;
    else node.setAttribute(key, value === true ? "" : value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

/** A button with an icon and a name for those who do not see it. */
export function iconButton(name, label, onclick, props = {}) {
  return el("button", { type: "button", class: "icon-button", "aria-label": label, title: label, icon: name, onclick, ...props });
}

export function textButton(text, onclick, props = {}) {
  return el("button", { type: "button", class: "text-button", onclick, ...props }, text);
}

/** Set only what differs: rows are written many times a second while scrolling. */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

export function setAttribute(node, name, value) {
  if (node.getAttribute(name) !== value) node.setAttribute(name, value);
}

/** Give every `data-icon` of the page its picture. */
export function fillIcons(root = document) {
  for (const node of root.querySelectorAll("[data-icon]")) node.prepend(icon(node.dataset.icon));
}

/** True where a key press belongs to a field that is being typed in. */
export function isTyping(target) {
  if (!(target instanceof HTMLElement)) return false;
  if (target instanceof HTMLInputElement) return !["checkbox", "range", "button"].includes(target.type);
  return target.isContentEditable || target instanceof HTMLTextAreaElement || target instanceof HTMLSelectElement;
}

/** Say something to those who listen to the page. */
export function announce(text) {
  setText(byId("live"), text);
}
