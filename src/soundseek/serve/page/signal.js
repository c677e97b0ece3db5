// A list of listeners: how the parts of the page tell each other what happened.
export function signal() {
  const listeners = new Set();
  return {
    /** Call `listener` for everything sent from now on. */
    listen(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    send(value) {
      for (const listener of listeners) listener(value);
    },
  };
}
