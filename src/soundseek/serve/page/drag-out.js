// Dragging a row to a file manager or an audio workstation: the browser hands over the file.
import { downloadAddress } from "/assets/api.js";

const TYPES = { wav: "audio/wav", flac: "audio/flac", ogg: "audio/ogg", opus: "audio/ogg", mp3: "audio/mpeg", m4a: "audio/mp4", aac: "audio/aac", aiff: "audio/aiff", aif: "audio/aiff" };

/** `itemAt(row)` is the sound of a row element. */
export function startDragOut(grid, itemAt) {
  grid.addEventListener("dragstart", (event) => {
    const row = event.target.closest?.(".row");
    const item = row && itemAt(row);
    if (!item) {
      event.preventDefault();
      return;
    }
    const url = new URL(downloadAddress(item.id), location.href).href;
    const type = TYPES[item.format?.toLowerCase()] ?? "application/octet-stream";
    const data = event.dataTransfer;
    data.effectAllowed = "copy";
    // Chromium turns this into a file where it is dropped; a colon would end the name.
    data.setData("DownloadURL", `${type}:${item.name.replaceAll(":", "_")}:${url}`);
    data.setData("text/uri-list", url);
    data.setData("text/plain", item.path);
    const wave = row.querySelector("canvas");
    if (wave) data.setDragImage(wave, 16, wave.clientHeight / 2);
  });
}
