"""Composed music: General MIDI files, note by note, played by fluidsynth."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from made_voices import Wave, read_wave

from soundseek.errors import DataError

SOUND_FONTS: Final = (
    "/usr/share/sounds/sf2/FluidR3_GM.sf2",
    "/usr/share/sounds/sf3/default-GM.sf3",
)
_TICKS: Final = 480
_DRUMS: Final = 9
_SCALES: Final = {
    "major": (0, 2, 4, 5, 7, 9, 11),
    "minor": (0, 2, 3, 5, 7, 8, 10),
    "dorian": (0, 2, 3, 5, 7, 9, 10),
    "pentatonic": (0, 2, 4, 7, 9),
    "blues": (0, 3, 5, 6, 7, 10),
    "harmonic minor": (0, 2, 3, 5, 7, 8, 11),
}
_PROGRESSIONS: Final = ((0, 3, 4, 0), (0, 5, 3, 4), (0, 4, 5, 3), (1, 4, 0, 0), (0, 0, 3, 4))
_CHOIRS: Final = (52, 53, 54, 91)
_BASSES: Final = range(32, 40)
# A bar as steps of an eighth (or of a sixteenth where there are 16), of General MIDI drum keys.
_PATTERNS: Final[dict[str, dict[int, str]]] = {
    "rock": {36: "x...x...", 38: "..x...x.", 42: "xxxxxxxx"},
    "techno": {36: "x...x...x...x...", 39: "....x.......x...", 46: "..x...x...x...x."},
    "hip hop": {36: "x.....x.x.......", 38: "....x.......x...", 42: "x.x.x.x.x.x.x.xx"},
    "waltz": {36: "x.....", 42: "..x.x.", 38: "..x.x."},
    "swing": {51: "x..x.xx..x.x", 44: "...x.....x..", 36: "x.....x....."},
    "latin": {56: "x..x..x.", 63: "xx.xx.x.", 64: "..x..x.x", 70: "xxxxxxxx", 75: "x..x..x."},
    "march": {36: "x...x...", 38: "xxxxx.xx", 49: "x......."},
    "metal": {36: "xxxxxxxx", 38: "..x...x.", 49: "x.x.x.x."},
}
# (kind, share); "solo" walks through all instruments, so its share must be large.
_KINDS: Final = {
    "solo": 0.36,
    "chords": 0.14,
    "ensemble": 0.24,
    "choir": 0.05,
    "drums": 0.09,
    "percussion": 0.05,
    "effect": 0.07,
}


@dataclass(frozen=True)
class Note:
    """One note; times in beats."""

    start: float
    beats: float
    key: int
    velocity: int


@dataclass(frozen=True)
class Part:
    """The notes of one instrument on one channel."""

    channel: int
    program: int
    notes: tuple[Note, ...]


def compose_music(
    rng: np.random.Generator, seconds: float, index: int, folder: Path
) -> tuple[Wave, str]:
    """Piece number `index`, `[samples]` at 16 kHz, and its kind and General MIDI programs."""
    kind = str(rng.choice(list(_KINDS), p=list(_KINDS.values())))
    bpm = float(rng.uniform(60, 180))
    bars = int(np.ceil(seconds * bpm / 60 / 4))
    parts = _parts(kind, rng, bars, index)
    wave = _played(parts, bpm, folder)
    programs = " ".join(str(part.program) for part in parts if part.channel != _DRUMS)
    return wave, f"{kind} {programs}".strip()


def _parts(kind: str, rng: np.random.Generator, bars: int, index: int) -> list[Part]:
    scale = _SCALES[str(rng.choice(list(_SCALES)))]
    root = int(rng.integers(48, 60))
    chords = _PROGRESSIONS[rng.integers(len(_PROGRESSIONS))]
    program = index * 7 % 120  # 7 and 120 share no factor: all instruments come
    if kind == "solo":
        return [Part(0, program, _melody(rng, bars, root + _register(program), scale))]
    if kind == "chords":
        return [Part(0, program, _chords(rng, bars, root, scale, chords))]
    if kind == "choir":
        voices = rng.choice(_CHOIRS, 2, replace=False)
        return [
            Part(0, int(voices[0]), _chords(rng, bars, root, scale, chords, broken=False)),
            Part(1, int(voices[1]), _melody(rng, bars, root + 12, scale)),
        ]
    if kind == "effect":
        return [Part(0, int(rng.integers(120, 128)), _effect(rng, bars))]
    if kind == "percussion":
        keys = rng.choice(np.arange(35, 82), rng.integers(1, 3), replace=False)
        bar = {int(key): "".join(rng.choice(["x", "."], 8, p=[0.4, 0.6])) for key in keys}
        return [Part(_DRUMS, 0, _drums(rng, bars, bar))]
    style = str(rng.choice(list(_PATTERNS)))
    kits = (0, 8, 16, 24, 25, 32, 40)
    drums = Part(_DRUMS, int(rng.choice(kits)), _drums(rng, bars, _PATTERNS[style]))
    if kind == "drums":
        return [drums]
    parts = [
        Part(0, int(rng.choice(_BASSES)), _bass(rng, bars, root - 12, scale, chords)),
        Part(1, int(rng.integers(0, 104)), _chords(rng, bars, root, scale, chords)),
        Part(2, program, _melody(rng, bars, root + 12, scale)),
    ]
    kept = [part for part in parts if rng.random() < 0.85] or parts[2:]
    return [*kept, drums] if rng.random() < 0.7 else kept


def _register(program: int) -> int:
    """Semitones from the octave below middle C to where the instrument is at home."""
    low = (*_BASSES, 43, 58, 67, 70)
    if program in low:
        return -24
    if program in (41, 42, 57, 60, 66, 68, 71, 109):
        return 0
    high = (8, 9, 10, 11, 12, 13, 14, 40, 56, 64, *range(72, 80), 112)
    return 12 if program in high else int(program % 2) * 12


def _degree(root: int, scale: tuple[int, ...], step: int) -> int:
    octave, place = divmod(step, len(scale))
    return int(np.clip(root + 12 * octave + scale[place], 21, 108))


def _melody(
    rng: np.random.Generator, bars: int, root: int, scale: tuple[int, ...]
) -> tuple[Note, ...]:
    lengths = [0.25, 0.5, 1.0, 2.0, 4.0]
    liking = rng.dirichlet([0.6, 1.5, 1.2, 0.6, 0.3])
    rest = float(rng.uniform(0, 0.25))
    notes, now, step = [], 0.0, int(rng.integers(0, 8))
    while now < bars * 4:
        beats = float(rng.choice(lengths, p=liking))
        step = int(np.clip(step + rng.choice([-4, -2, -1, -1, 0, 1, 1, 2, 4]), -4, 14))
        if rng.random() > rest:
            key = _degree(root, scale, step)
            notes.append(Note(now, beats * rng.uniform(0.5, 1.05), key, int(rng.integers(60, 120))))
        now += beats
    return tuple(notes)


def _chords(
    rng: np.random.Generator,
    bars: int,
    root: int,
    scale: tuple[int, ...],
    chords: tuple[int, ...],
    *,
    broken: bool | None = None,
) -> tuple[Note, ...]:
    broken = bool(rng.random() < 0.5) if broken is None else broken
    every = float(rng.choice([0.5, 1.0, 2.0, 4.0]))
    notes = []
    for bar in range(bars):
        steps = [chords[bar % len(chords)] + third for third in (0, 2, 4, 7)]
        keys = [_degree(root, scale, step) for step in steps]
        if broken:
            order = rng.permutation(8) % 4
            notes += [Note(bar * 4 + i / 2, 0.6, keys[k], 80) for i, k in enumerate(order)]
        else:
            starts = np.arange(0, 4, every)
            notes += [Note(bar * 4 + float(s), every * 0.95, k, 76) for s in starts for k in keys]
    return tuple(notes)


def _bass(
    rng: np.random.Generator, bars: int, root: int, scale: tuple[int, ...], chords: tuple[int, ...]
) -> tuple[Note, ...]:
    every = float(rng.choice([0.5, 1.0, 2.0]))
    walks = bool(rng.random() < 0.4)
    notes = []
    for bar in range(bars):
        for start in np.arange(0, 4, every):
            step = chords[bar % len(chords)] + (int(rng.choice([0, 2, 4, 5])) if walks else 0)
            notes.append(Note(bar * 4 + float(start), every * 0.9, _degree(root, scale, step), 95))
    return tuple(notes)


def _drums(rng: np.random.Generator, bars: int, bar: dict[int, str]) -> tuple[Note, ...]:
    loud = rng.integers(70, 120)
    notes = []
    for number in range(bars):
        for key, steps in bar.items():
            for i, step in enumerate(steps):
                if step == "x" and rng.random() < 0.95:
                    velocity = int(np.clip(loud + rng.normal(0, 8), 20, 127))
                    notes.append(Note(number * 4 + i * 4 / len(steps), 0.2, key, velocity))
    return tuple(notes)


def _effect(rng: np.random.Generator, bars: int) -> tuple[Note, ...]:
    notes, now = [], 0.0
    while now < bars * 4:
        beats = float(rng.uniform(1, 8))
        notes.append(Note(now, beats, int(rng.integers(40, 85)), int(rng.integers(80, 127))))
        now += beats * rng.uniform(0.8, 1.5)
    return tuple(notes)


def _played(parts: list[Part], bpm: float, folder: Path) -> Wave:
    score, out = folder / "piece.mid", folder / "piece.wav"
    out.unlink(missing_ok=True)
    _as_midi(parts, bpm).save(score)
    font = next((name for name in SOUND_FONTS if Path(name).is_file()), None)
    if font is None:
        raise DataError(
            f"no sound font at {SOUND_FONTS[0]}", remedy="apt-get install -y fluid-soundfont-gm"
        )
    command = ["fluidsynth", "-n", "-i", "-q", "-g", "0.5", "-r", "32000"]
    command += ["-o", "synth.dynamic-sample-loading=1", "-F", str(out), font, str(score)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    if done.returncode:
        raise DataError(f"fluidsynth failed: {done.stderr.strip()[-200:]}")
    return read_wave(out)


def _as_midi(parts: list[Part], bpm: float) -> Any:
    import mido

    piece = mido.MidiFile(ticks_per_beat=_TICKS)
    piece.tracks.append(mido.MidiTrack([mido.MetaMessage("set_tempo", tempo=mido.bpm2tempo(bpm))]))
    for part in parts:
        events = [
            (tick, kind, note.key, note.velocity)
            for note in part.notes
            for tick, kind in (
                (round(note.start * _TICKS), "note_on"),
                (round((note.start + note.beats) * _TICKS), "note_off"),
            )
        ]
        track = mido.MidiTrack()
        change = mido.Message("program_change", channel=part.channel, program=part.program)
        track.append(change)
        now = 0
        for tick, kind, key, velocity in sorted(events):  # "note_off" sorts before "note_on"
            message = mido.Message(kind, channel=part.channel, note=key, velocity=velocity)
            track.append(message.copy(time=tick - now))
            now = tick
        piece.tracks.append(track)
    return piece
