// The player at the bottom: the sound that plays, its waveform large, and how it is played.
import { byId, el, iconButton, setAttribute, setText } from "/assets/dom.js";
import { changeIcon } from "/assets/icons.js";
import { arrived, loudest, peaksOf } from "/assets/peaks.js";
import { player } from "/assets/player.js";
import { momentsCame, momentsOfPlaying } from "/assets/moments.js";
import { recoloured } from "/assets/theme.js";
import { drawWaveform } from "/assets/waveform.js";
import { clock } from "/assets/words.js";

export function startDock({ step }) {
  const dock = byId("dock");
  const go = iconButton("play", "Play", () => (player.item ? player.toggle() : step(1)), { class: "icon-button go", title: "Play or pause (Space)" });
  const previous = iconButton("previous", "Play the one before", () => step(-1), { class: "icon-button skip-button", title: "Play the one before (↑)" });
  const next = iconButton("next", "Play the next", () => step(1), { class: "icon-button skip-button", title: "Play the next (↓)" });
  const name = el("div", { class: "name" }, "Nothing plays");
  const time = el("div", { class: "dock-time" });
  const canvas = el("canvas", { "aria-hidden": "true" });
  const wave = el("div", { class: "wave dock-wave", role: "slider", tabindex: "0", "aria-label": "Position", "aria-valuemin": "0", "aria-valuemax": "0", "aria-valuenow": "0" }, canvas);
  const loop = iconButton("loop", "Loop the best part", () => player.loop(), { title: "Loop the best part (l)" });
  const same = iconButton("level", "Play all at the same loudness", () => player.normalise(), { title: "Play all at the same loudness (n)" });
  const mute = iconButton("volume", "Silence", () => player.mute(), { class: "icon-button volume-icon", title: "Silence (s)" });
  const volume = el("input", { type: "range", min: "0", max: "1", step: "0.05", value: player.volume, "aria-label": "Volume", oninput: (event) => player.setVolume(Number(event.target.value)) });
  dock.replaceChildren(
    el("div", { class: "dock-keys" }, previous, go, next),
    el("div", { class: "dock-what" }, name, time),
    wave,
    el("div", { class: "dock-tools" }, loop, same, mute, volume),
    player.element,
  );

  function draw() {
    const { item } = player;
    const peaks = item && peaksOf(item.id);
    dock.classList.toggle("idle", !item);
    drawWaveform(canvas, {
      peaks,
      duration: item?.duration_s ?? 0,
      start: item?.start_s ?? null,
      end: item?.end_s ?? null,
      played: item ? player.time : null,
      moments: momentsOfPlaying(),
      gain: peaks && player.normalised ? Math.min(16, 1 / Math.max(0.001, loudest(peaks))) : 1,
    });
    if (!item) return;
    time.replaceChildren(el("b", {}, clock(player.time)), ` / ${clock(item.duration_s)}`);
    setAttribute(wave, "aria-valuemax", item.duration_s.toFixed(1));
    setAttribute(wave, "aria-valuenow", player.time.toFixed(1));
    setAttribute(wave, "aria-valuetext", `${clock(player.time)} of ${clock(item.duration_s)}`);
  }

  function showSound() {
    const { item } = player;
    setText(name, item?.name ?? "");
    name.title = item?.path ?? "";
    if (item && "mediaSession" in navigator) navigator.mediaSession.metadata = new MediaMetadata({ title: item.name, artist: "soundseek" });
  }

  function showState() {
    changeIcon(go, player.playing ? "pause" : "play");
    setAttribute(go, "aria-label", player.playing ? "Pause" : "Play");
    setAttribute(loop, "aria-pressed", String(player.looped));
    setAttribute(same, "aria-pressed", String(player.normalised));
    setAttribute(mute, "aria-pressed", String(player.muted));
    changeIcon(mute, player.muted || !player.volume ? "muted" : "volume");
    volume.value = player.volume;
  }

  const seekTo = (event) => {
    if (!player.item) return;
    const box = canvas.getBoundingClientRect();
    player.seek(((event.clientX - box.left) / box.width) * player.item.duration_s);
  };
  wave.addEventListener("pointerdown", (event) => {
    wave.setPointerCapture(event.pointerId);
    seekTo(event);
  });
  wave.addEventListener("pointermove", (event) => {
    if (wave.hasPointerCapture(event.pointerId)) seekTo(event);
  });
  wave.addEventListener("keydown", (event) => {
    const by = { ArrowLeft: -1, ArrowRight: 1, PageUp: 10, PageDown: -10 }[event.key];
    if (by === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    player.seek(player.time + by);
  });

  player.changed.listen((what) => {
    if (what === "sound") showSound();
    if (what !== "time") showState();
    draw();
  });
  arrived.listen((id) => {
    if (id !== player.item?.id) return;
    player.level();
    draw();
  });
  momentsCame.listen(draw);
  recoloured.listen(draw);
  new ResizeObserver(draw).observe(canvas);
  for (const [action, does] of Object.entries({ play: () => player.toggle(), pause: () => player.toggle(), nexttrack: () => step(1), previoustrack: () => step(-1) })) {
    navigator.mediaSession?.setActionHandler(action, does);
  }
  showState();
  draw();
}
