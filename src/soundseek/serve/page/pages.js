// A long list of which only the parts that are looked at are fetched.
import { isAbort } from "/assets/api.js";
import { signal } from "/assets/signal.js";

const SIZE = 100;
const KEPT = 30;

/**
 * `load(offset, limit, aborted)` answers `{total, items, ...}`. Pages far from what is shown are
 * forgotten; requests for pages that have scrolled away are cancelled.
 */
export function pagedList(load) {
  const pages = new Map();
  const pending = new Map();
  const filled = signal();
  const failed = signal();
  let total = 0;
  let closed = false;

  async function fetchPage(number) {
    const aborter = new AbortController();
    pending.set(number, aborter);
    const offset = number * SIZE;
    const limit = number && total ? Math.min(SIZE, total - offset) : SIZE;
    try {
      const answer = await load(offset, limit, aborter.signal);
      pages.delete(number);
      pages.set(number, answer.items);
      total = answer.total;
      return answer;
    } finally {
      if (pending.get(number) === aborter) pending.delete(number);
    }
  }

  function forgetFarPages(first, last) {
    for (const number of pages.keys()) {
      if (pages.size <= KEPT) return;
      if (number < first - 1 || number > last + 1) pages.delete(number);
    }
  }

  return {
    filled,
    failed,
    get total() {
      return total;
    },
    at: (index) => pages.get(Math.floor(index / SIZE))?.[index % SIZE],
    /** Fetch the first page; what it answers. */
    open: () => fetchPage(0),
    /** Have the rows `first` to `last`, and stop asking for others. */
    want(first, last) {
      if (closed || last < first) return;
      const from = Math.floor(first / SIZE);
      const to = Math.floor(last / SIZE);
      for (const [number, aborter] of pending) if (number < from || number > to) aborter.abort();
      for (let number = from; number <= to; number += 1) {
        if (pages.has(number) || pending.has(number)) continue;
        fetchPage(number).then(
          () => closed || filled.send(),
          (error) => closed || isAbort(error) || failed.send(error),
        );
      }
      forgetFarPages(from, to);
    },
    close() {
      closed = true;
      for (const aborter of pending.values()) aborter.abort();
    },
  };
}

/** The same face for a list that is already here. */
export function localList(items) {
  const nothing = signal();
  return {
    filled: nothing,
    failed: nothing,
    total: items.length,
    at: (index) => items[index],
    open: async () => ({ total: items.length, items }),
    want() {},
    close() {},
  };
}
