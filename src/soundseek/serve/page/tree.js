// Folders as a tree that opens and closes.
import { el } from "/assets/dom.js";
import { icon } from "/assets/icons.js";

const opened = new Set();
const shut = new Set();

const parts = (path) => path.split(/[\\/]/).filter(Boolean);

/** Folders below the folders that hold them; those that hold nothing of their own are joined. */
function grow(folders) {
  const sorted = [...folders].sort((one, other) => one.path.localeCompare(other.path));
  const roots = [];
  const trail = [];
  for (const { path, count: many } of sorted) {
    while (trail.length && !/^[\\/]/.test(path.startsWith(trail.at(-1).path) ? path.slice(trail.at(-1).path.length) : "-")) trail.pop();
    const above = trail.at(-1);
    const node = { path, many, below: [], name: above ? path.slice(above.path.length + 1) : (parts(path).pop() ?? path) };
    (above ? above.below : roots).push(node);
    trail.push(node);
  }
  return roots;
}

/** `leaf({path, name, many})` makes the part that is chosen. */
export function folderTree(folders, chosen, leaf) {
  const roots = grow(folders);
  const holdsChosen = (node) => node.below.some((below) => chosen.includes(below.path) || holdsChosen(below));

  function branch(node, only) {
    const item = el("li", {});
    if (!node.below.length) {
      item.append(el("div", { class: "branch" }, el("span", { class: "no-fold" }), leaf(node)));
      return item;
    }
    if ((only || holdsChosen(node)) && !shut.has(node.path)) opened.add(node.path);
    const fold = el("button", { type: "button", class: "fold", "aria-label": `Folders in ${node.name}` }, icon("fold"));
    const below = el("ul", {});
    const show = () => {
      const open = opened.has(node.path);
      fold.setAttribute("aria-expanded", String(open));
      below.hidden = !open;
      if (open && !below.firstChild) below.append(...node.below.map((one) => branch(one, false)));
    };
    fold.addEventListener("click", () => {
      if (opened.delete(node.path)) shut.add(node.path);
      else {
        opened.add(node.path);
        shut.delete(node.path);
      }
      show();
    });
    item.append(el("div", { class: "branch" }, fold, leaf(node)), below);
    show();
    return item;
  }

  return el("ul", { class: "tree" }, ...roots.map((root) => branch(root, roots.length === 1)));
}
