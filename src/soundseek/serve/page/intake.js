// Sounds that come from outside: dropped anywhere, picked, pasted or recorded; sent to search by.
import { post } from "/assets/api.js";
import { byId } from "/assets/dom.js";
import { startRecorder } from "/assets/recorder.js";
import { change } from "/assets/state.js";
import { complain, toast } from "/assets/toasts.js";
import { bytes } from "/assets/words.js";

let largest = 50 * 2 ** 20;

export function setLargestUpload(size) {
  if (size) largest = size;
}

function tooLarge(size) {
  toast("That sound is too large to send", { text: `It has ${bytes(size)}; the server takes up to ${bytes(largest)}. Cut out the part that matters, or convert it to FLAC or Ogg.`, wrong: true });
}

/** Send a sound and search by it. */
export async function searchBy(blob, name) {
  if (blob.size > largest) {
    tooLarge(blob.size);
    return;
  }
  const done = toast(`Listening to ${name}`, { stays: true });
  try {
    const form = new FormData();
    form.append("sound", blob, name);
    const upload = await (await post("/uploads", form)).json();
    change({ q: "", like: "", likeName: "", upload: upload.id, uploadName: name, view: "" });
  } catch (error) {
    if (error.status === 413) tooLarge(blob.size);
    else complain(error);
  } finally {
    done();
  }
}

function take(files) {
  const [file] = files ?? [];
  if (!file) return;
  if (files.length > 1) toast("One sound at a time", { text: `Searching by ${file.name}.` });
  searchBy(file, file.name);
}

/** Whether files come with a drag; our own rows are dragged as well, without any. */
const bringsFiles = (event) => event.dataTransfer?.types.includes("Files");

export function startIntake() {
  const cover = byId("drop");
  let leaving = 0;
  window.addEventListener("dragover", (event) => {
    if (!bringsFiles(event)) return;
    event.preventDefault();
    event.dataTransfer.dropEffect = "copy";
    cover.hidden = false;
    clearTimeout(leaving);
    // Leaving the window is told by silence: dragleave also comes between elements.
    leaving = setTimeout(() => {
      cover.hidden = true;
    }, 400);
  });
  window.addEventListener("drop", (event) => {
    if (!bringsFiles(event)) return;
    event.preventDefault();
    clearTimeout(leaving);
    cover.hidden = true;
    take(event.dataTransfer.files);
  });
  window.addEventListener("paste", (event) => {
    if (event.clipboardData?.files.length) take(event.clipboardData.files);
  });
  const picked = byId("picked");
  byId("pick").addEventListener("click", () => picked.click());
  picked.addEventListener("change", () => {
    take(picked.files);
    picked.value = "";
  });
  startRecorder(searchBy);
}
