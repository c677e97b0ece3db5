// Talking to the server: problems as errors with a remedy, waiting when told to wait.
import { signal } from "/assets/signal.js";
import { sentence } from "/assets/words.js";

const ROOT = "/api/v1";
const LONGEST_WAIT_S = 15;
const TRIES = 3;

/** The server answered, but not with what was asked for. */
export class Problem extends Error {
  constructor(status, { title, detail, remedy } = {}) {
    super(sentence(detail || title || `The server answered ${status}`));
    Object.assign(this, { status, title: title || "That did not work", detail: sentence(detail), remedy: sentence(remedy) });
  }
}

/** The server did not answer at all. */
export class Unreachable extends Error {
  constructor() {
    super("The server does not answer.");
    this.title = "The server does not answer";
    this.remedy = "Is soundseek serve still running?";
  }
}

/** Sent with the seconds to wait when the server asks for fewer requests. */
export const slowedDown = signal();
/** Sent when a request gets no answer. */
export const lost = signal();

export const isAbort = (error) => error?.name === "AbortError";

export function address(path, query = {}) {
  const pairs = new URLSearchParams();
  for (const [key, value] of Object.entries(query)) {
    for (const one of Array.isArray(value) ? value : [value]) {
      if (one !== null && one !== undefined && one !== "") pairs.append(key, String(one));
    }
  }
  const text = pairs.toString();
  return ROOT + path + (text ? `?${text}` : "");
}

const pause = (seconds, aborted) =>
  new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, seconds * 1000);
    aborted?.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(aborted.reason);
    });
  });

async function problemOf(response) {
  const body = await response.json().catch(() => ({}));
  return new Problem(response.status, typeof body === "object" && body ? body : {});
}

async function send(url, options) {
  for (let tries = 1; ; tries += 1) {
    let response;
    try {
      response = await fetch(url, { credentials: "same-origin", ...options });
    } catch (error) {
      if (isAbort(error) || options.signal?.aborted) throw error;
      lost.send();
      throw new Unreachable();
    }
    if (response.ok) return response;
    const wait = Number(response.headers.get("Retry-After")) || 2;
    if (response.status !== 429 || tries >= TRIES || wait > LONGEST_WAIT_S) throw await problemOf(response);
    slowedDown.send(wait);
    await pause(wait, options.signal);
  }
}

export async function get(path, query, aborted) {
  return (await send(address(path, query), { signal: aborted })).json();
}

export async function post(path, body, aborted) {
  const form = body instanceof FormData;
  return send(address(path), {
    method: "POST",
    signal: aborted,
    body: form ? body : JSON.stringify(body),
    headers: form ? {} : { "Content-Type": "application/json" },
  });
}

export async function remove(path) {
  return (await send(address(path), { method: "DELETE", headers: { "Content-Type": "application/json" } })).json().catch(() => null);
}

/** Ask for the first byte of a sound: an audio element tells that it failed, but not why. */
export async function tryAudio(id) {
  await send(audioAddress(id), { headers: { Range: "bytes=0-0" } });
}

export const audioAddress = (id) => address(`/clips/${id}/audio`);
export const downloadAddress = (id) => address(`/clips/${id}/audio`, { download: 1 });
