// Drawing a waveform: bars, the best window marked, what has been played in full ink.
const BAR = 2;
const STEP = 3;
const NAMES = ["wave", "wave-best", "wave-played", "wave-band", "accent"];

let colours = null;

/** Look the colours up again, after the theme has changed. */
export function forgetColours() {
  colours = null;
}

function palette() {
  if (colours) return colours;
  const probe = document.createElement("i");
  document.body.append(probe);
  colours = {};
  for (const name of NAMES) {
    probe.style.color = `var(--${name})`;
    colours[name] = getComputedStyle(probe).color;
  }
  probe.remove();
  return colours;
}

/** The highest and lowest value of each bar, -1 to 1. */
function bars(peaks, number) {
  const bins = peaks.max.length;
  const out = [];
  for (let bar = 0; bar < number; bar += 1) {
    const from = Math.floor((bar * bins) / number);
    const to = Math.max(from + 1, Math.floor(((bar + 1) * bins) / number));
    let high = 0;
    let low = 0;
    for (let bin = from; bin < to; bin += 1) {
      if (peaks.max[bin] > high) high = peaks.max[bin];
      if (peaks.min[bin] < low) low = peaks.min[bin];
    }
    out.push([high / 127, low / 128]);
  }
  return out;
}

// Quiet parts are drawn a little taller than they are, so that they can be seen at all.
const lift = (value) => Math.sign(value) * Math.abs(value) ** 0.7;

/**
 * `view`: {peaks, duration, start, end, played, gain, moments}; times in seconds, `start` and
 * `played` may be null, `moments` (other parts that fit) may be left out.
 */
export function drawWaveform(canvas, view) {
  const scale = window.devicePixelRatio || 1;
  const width = canvas.clientWidth;
  const height = canvas.clientHeight;
  if (!width || !height) return;
  if (canvas.width !== Math.round(width * scale)) canvas.width = Math.round(width * scale);
  if (canvas.height !== Math.round(height * scale)) canvas.height = Math.round(height * scale);
  const ink = canvas.getContext("2d");
  ink.setTransform(scale, 0, 0, scale, 0, 0);
  ink.clearRect(0, 0, width, height);
  const colour = palette();
  const middle = height / 2;
  const at = (seconds) => (view.duration ? (seconds / view.duration) * width : 0);
  const marked = view.start !== null && view.start !== undefined;
  const from = marked ? at(view.start) : -1;
  const to = marked ? Math.min(width, Math.max(at(view.end), from + 4)) : -1;
  const whole = marked && to - from >= width - 1;

  if (marked && !whole) {
    ink.fillStyle = colour["wave-band"];
    ink.fillRect(from, 0, to - from, height);
    ink.fillStyle = colour.accent;
    ink.fillRect(from, 0, to - from, 2);
  }
  ink.fillStyle = colour["wave-best"];
  for (const { start_s, end_s } of view.moments ?? []) {
    ink.fillRect(at(start_s) + 1, height - 2, Math.max(3, at(end_s) - at(start_s) - 2), 2);
  }
  if (!view.peaks) {
    ink.fillStyle = colour.wave;
    ink.fillRect(0, middle - 0.5, width, 1);
    return;
  }
  const played = view.played === null || view.played === undefined ? -1 : at(view.played);
  const tallest = middle - 3;
  bars(view.peaks, Math.max(1, Math.floor(width / STEP))).forEach(([high, low], index) => {
    const x = index * STEP;
    const centre = x + BAR / 2;
    const inside = marked && centre >= from && centre <= to;
    ink.fillStyle = centre <= played ? colour["wave-played"] : inside ? colour["wave-best"] : colour.wave;
    const gain = view.gain || 1;
    const up = Math.max(0.75, lift(Math.min(1, high * gain)) * tallest);
    const down = Math.max(0.75, -lift(Math.max(-1, low * gain)) * tallest);
    ink.fillRect(x, middle - up, BAR, up + down);
  });
  if (played >= 0) {
    ink.fillStyle = colour["wave-played"];
    ink.fillRect(Math.min(width - 1, played), 0, 1, height);
  }
}
