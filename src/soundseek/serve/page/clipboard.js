// Copying text, also where the page is not on a secure address.
import { el } from "/assets/dom.js";
import { toast } from "/assets/toasts.js";

function copyOldWay(text) {
  const field = el("textarea", { class: "unseen", "aria-hidden": "true" });
  field.value = text;
  const back = document.activeElement;
  (document.querySelector("dialog[open]") ?? document.body).append(field);
  field.select();
  const done = document.execCommand("copy");
  field.remove();
  back?.focus?.();
  return done;
}

export async function copy(text, done) {
  const copied = await navigator.clipboard?.writeText(text).then(() => true, () => false);
  if (copied || copyOldWay(text)) toast(done, { text });
  else toast("The browser does not let the page copy", { text, wrong: true });
}
