// Handing over a list of sounds as a file.
import { post } from "/assets/api.js";
import { el } from "/assets/dom.js";
import { complain, toast } from "/assets/toasts.js";
import { plural } from "/assets/words.js";

export const FORMATS = { csv: "List (CSV)", m3u: "Playlist (M3U)", zip: "Files (ZIP)" };

function save(blob, name) {
  const url = URL.createObjectURL(blob);
  const link = el("a", { href: url, download: name, class: "unseen" });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

export async function exportSounds(format, ids, name) {
  const done = toast(`Preparing ${plural(ids.length, "sound")}`, { stays: true });
  try {
    const answer = await post("/export", { format, ids });
    save(await answer.blob(), `${name}.${format}`);
    toast("Exported", { text: `${plural(ids.length, "sound")} in ${name}.${format}` });
  } catch (error) {
    complain(error);
  } finally {
    done();
  }
}
