// Dark, light, or as the system is.
import { byId } from "/assets/dom.js";
import { changeIcon } from "/assets/icons.js";
import { signal } from "/assets/signal.js";
import { forgetColours } from "/assets/waveform.js";

const TURNS = { system: "light", light: "dark", dark: "system" };
const KEY = "soundseek.theme";

/** Sent when the colours have changed. */
export const recoloured = signal();

const theme = () => document.documentElement.dataset.theme ?? "system";

function show() {
  const button = byId("theme");
  changeIcon(button, theme());
  button.setAttribute("aria-label", `Theme: ${theme()}`);
  button.title = `Theme: ${theme()} (t)`;
  forgetColours();
  recoloured.send();
}

export function turnTheme() {
  const next = TURNS[theme()];
  if (next === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = next;
  try {
    // As plain text: first-paint.js reads it before any module is there.
    if (next === "system") localStorage.removeItem(KEY);
    else localStorage.setItem(KEY, next);
  } catch {
    // Chosen for this visit only.
  }
  show();
}

export function startTheme() {
  byId("theme").addEventListener("click", turnTheme);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", show);
  show();
}
