// The list of sounds: only the rows that can be seen are in the document, however long it is.
import { signal } from "/assets/signal.js";
import { setAttribute } from "/assets/dom.js";

const BEYOND = 4;
// Browsers cannot lay out boxes of any height; past this the scroll bar stands for more rows.
const TALLEST = 12_000_000;
const SETTLED_MS = 90;

/**
 * `row` makes and fills rows: `row.make()` an element, `row.fill(element, item, index, active)`.
 */
export function virtualList(grid, space, row) {
  const shown = new Map();
  const spare = [];
  const moved = signal();
  const seen = signal();
  let source = null;
  let active = -1;
  let height = 60;
  let stopListening = () => {};
  let frame = 0;
  let settling = 0;

  const total = () => source?.total ?? 0;
  const tall = () => total() * height;
  const drawn = () => Math.min(tall(), TALLEST);

  /** How far down the list of full height the view is, in pixels. */
  function position() {
    const room = drawn() - grid.clientHeight;
    if (tall() === drawn() || room <= 0) return grid.scrollTop;
    return (grid.scrollTop / room) * (tall() - grid.clientHeight);
  }

  function scrollTo(pixels) {
    const room = tall() - grid.clientHeight;
    if (tall() === drawn() || room <= 0) grid.scrollTop = pixels;
    else grid.scrollTop = (pixels / room) * (drawn() - grid.clientHeight);
  }

  function range() {
    const top = position();
    const first = Math.max(0, Math.floor(top / height));
    const last = Math.min(total() - 1, Math.ceil((top + grid.clientHeight) / height) - 1);
    return { top, first, last };
  }

  function place(index, top) {
    let element = shown.get(index);
    if (!element) {
      element = spare.pop() ?? row.make();
      shown.set(index, element);
      space.append(element);
      element.id = `row-${index}`;
      setAttribute(element, "aria-rowindex", String(index + 1));
      element.dataset.index = String(index);
    }
    element.style.transform = `translateY(${grid.scrollTop + index * height - top}px)`;
    row.fill(element, source.at(index), index, index === active);
  }

  function draw() {
    frame = 0;
    const { top, first, last } = range();
    const from = Math.max(0, first - BEYOND);
    const to = Math.min(total() - 1, last + BEYOND);
    for (const [index, element] of shown) {
      if ((index >= from && index <= to) || (index === active && index < total())) continue;
      shown.delete(index);
      element.remove();
      if (spare.length < 40) spare.push(element);
    }
    for (let index = from; index <= to; index += 1) place(index, top);
    if (active >= 0 && active < total() && (active < from || active > to)) place(active, top);
    clearTimeout(settling);
    settling = setTimeout(settle, SETTLED_MS);
  }

  function settle() {
    if (!source) return;
    const { first, last } = range();
    source.want(Math.max(0, first - BEYOND), Math.min(total() - 1, last + BEYOND));
    seen.send({ first, last });
  }

  function redraw() {
    if (!frame) frame = requestAnimationFrame(draw);
  }

  function measure() {
    height = Number(getComputedStyle(document.documentElement).getPropertyValue("--row-height")) || 60;
    space.style.height = `${drawn()}px`;
    setAttribute(grid, "aria-rowcount", String(total()));
  }

  function point() {
    if (active >= 0 && active < total()) grid.setAttribute("aria-activedescendant", `row-${active}`);
    else grid.removeAttribute("aria-activedescendant");
  }

  /** Bring row `index` into view with a little of its neighbours. */
  function reveal(index) {
    const { top } = range();
    const margin = Math.min(height / 2, grid.clientHeight / 4);
    const upper = index * height - margin;
    const lower = (index + 1) * height + margin - grid.clientHeight;
    if (top > upper) scrollTo(Math.max(0, upper));
    else if (top < lower) scrollTo(lower);
  }

  grid.addEventListener("scroll", redraw, { passive: true });
  new ResizeObserver(() => {
    measure();
    redraw();
  }).observe(grid);

  return {
    /** Sent with the new active index. */
    moved,
    /** Sent with `{first, last}` when scrolling has come to rest. */
    seen,
    redraw,
    measure,
    get active() {
      return active;
    },
    get total() {
      return total();
    },
    get perPage() {
      return Math.max(1, Math.floor(grid.clientHeight / height) - 1);
    },
    item: (index = active) => (index >= 0 ? source?.at(index) : undefined),
    element: (index = active) => shown.get(index),
    rows: () => shown,
    show(next) {
      stopListening();
      source?.close();
      source = next;
      stopListening = source.filled.listen(redraw);
      active = -1;
      grid.scrollTop = 0;
      measure();
      point();
      draw();
    },
    /** Make `index` the active row; -1 for none. */
    activate(index) {
      if (!total()) return;
      active = Math.max(-1, Math.min(total() - 1, index));
      if (active >= 0) reveal(active);
      draw();
      point();
      moved.send(active);
    },
  };
}
