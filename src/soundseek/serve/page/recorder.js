// Recording from the microphone, to search by what it hears.
import { byId } from "/assets/dom.js";
import { icon } from "/assets/icons.js";
import { toast } from "/assets/toasts.js";
import { asWav } from "/assets/wav.js";
import { clock } from "/assets/words.js";

const LONGEST_S = 30;

const REFUSED = {
  NotAllowedError: ["The microphone was refused", "Allow it for this page in the address bar, then try again; or drop a sound file instead."],
  NotFoundError: ["There is no microphone", "Connect one, or drop a sound file instead."],
  NotReadableError: ["The microphone is in use", "Close the other program that records, then try again."],
};

let recording = null;

function show(text) {
  const button = byId("record");
  button.setAttribute("aria-pressed", String(Boolean(recording)));
  button.setAttribute("aria-label", recording ? "Stop recording and search" : "Record a sound to search by");
  button.replaceChildren(icon(recording ? "stop" : "mic"), text);
}

async function begin(search) {
  if (!navigator.mediaDevices?.getUserMedia) {
    toast("The browser records on secure addresses only", { text: "Open the page at http://localhost, or over https.", wrong: true });
    return;
  }
  let stream;
  try {
    stream = await navigator.mediaDevices.getUserMedia({ audio: { echoCancellation: false, noiseSuppression: false, autoGainControl: false } });
  } catch (error) {
    const [title, text] = REFUSED[error.name] ?? ["Recording did not start", error.message];
    toast(title, { text, wrong: true });
    return;
  }
  const parts = [];
  const recorder = new MediaRecorder(stream);
  recorder.addEventListener("dataavailable", (event) => parts.push(event.data));
  recorder.addEventListener("stop", async () => {
    clearInterval(recording.timer);
    recording = null;
    show("");
    for (const track of stream.getTracks()) track.stop();
    try {
      await search(await asWav(new Blob(parts, { type: recorder.mimeType })), "recording.wav");
    } catch {
      toast("The recording could not be read", { text: "Record for at least a second.", wrong: true });
    }
  });
  const started = performance.now();
  const timer = setInterval(() => {
    const seconds = (performance.now() - started) / 1000;
    show(clock(seconds));
    if (seconds >= LONGEST_S && recorder.state === "recording") recorder.stop();
  }, 250);
  recording = { recorder, timer };
  recorder.start();
  show("0:00");
}

/** `search(blob, name)` searches by a sound. */
export function startRecorder(search) {
  byId("record").addEventListener("click", () => {
    if (recording) recording.recorder.stop();
    else begin(search);
  });
}
