"""Scenes of made voices: one speaker, dialogues, babble, whispers, shouts, children, songs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
from made_voices import RATE, Cast, Voice, Wave, sing, speak

_SHOUTS: Final = (
    *("Hey", "Stop", "Come here", "Watch out", "Help", "Go", "Run", "Over here", "Get out", "No"),
    *("Yes", "Fire", "Look", "Hurry up", "Come on", "Wait", "Goal", "Left", "Right", "Attention"),
)
_EXCLAIMED: Final = (
    "ha ha ha ha ha ha",
    "he he he he he",
    "hee hee hee",
    "ho ho ho ho",
    "boo hoo hoo hoo",
    "waah waah waah",
    "aaaaaah",
    "oooooh",
    "ah choo",
    "mmm hmm",
    "psst psst",
    "shh shh",
    "wow",
    "woo hoo",
    "yeah yeah yeah",
    "ow ow ow",
    "hmm",
    "uh huh",
    "yay",
    "eek",
)
_SYLLABLES: Final = ("la", "doo", "dah", "na", "lee", "moon", "day", "rain", "home", "way", "low")
_SCALES: Final = (("C", "D", "E", "G", "A"), ("C", "D", "E", "F", "G", "A", "B"))


def compose_speech(
    rng: np.random.Generator, seconds: float, texts: Sequence[str], cast: Cast, folder: Path
) -> tuple[Wave, str]:
    """One scene of `seconds`, `[samples]` at 16 kHz, and what it is in a word."""
    scenes: list[tuple[str, float, Callable[[_Scene], Wave]]] = [
        ("alone", 0.36, _alone),
        ("dialogue", 0.15, _dialogue),
        ("babble", 0.15, _babble),
        ("whisper", 0.06, _whisper),
        ("shout", 0.08, _shout),
        ("child", 0.10, _child),
        ("exclamation", 0.05, _exclamation),
        ("song", 0.05 if cast.singers else 0.0, _song),
    ]
    weights = np.array([weight for _, weight, _ in scenes])
    name, _, scene = scenes[rng.choice(len(scenes), p=weights / weights.sum())]
    wave = scene(_Scene(rng, seconds, texts, cast, folder))
    return _in_a_place(rng, _cut(wave, seconds), echoes=name == "babble"), name


class _Scene:
    def __init__(
        self,
        rng: np.random.Generator,
        seconds: float,
        texts: Sequence[str],
        cast: Cast,
        folder: Path,
    ) -> None:
        self.rng, self.seconds, self.texts = rng, seconds, texts
        self.cast, self.folder = cast, folder

    def text(self, voice: Voice) -> str:
        """A caption, or numbers: every language of a synthesizer reads those as a native would."""
        if voice.english or self.rng.random() < 0.3:
            return self.texts[int(self.rng.integers(len(self.texts)))]
        return ", ".join(str(n) for n in self.rng.integers(0, 3000, self.rng.integers(3, 9)))

    def filled(self, voices: Sequence[Voice], text: Callable[[Voice], str], pause_s: float) -> Wave:
        """The voices by turns, with pauses, until the time is full or nothing more comes."""
        parts: list[Wave] = []
        samples = 0
        for turn in range(40):
            voice = voices[turn % len(voices)]
            wave = speak(voice, text(voice), self.folder)
            pause = np.zeros(int(self.rng.exponential(pause_s) * RATE), np.float32)
            parts += [wave, pause]
            samples += len(wave) + len(pause)
            if samples > self.seconds * RATE:
                break
        return np.concatenate(parts)


def _alone(scene: _Scene) -> Wave:
    return scene.filled([scene.cast.draw(scene.rng)], scene.text, scene.rng.uniform(0.1, 1.0))


def _dialogue(scene: _Scene) -> Wave:
    voices = [scene.cast.draw(scene.rng), scene.cast.draw(scene.rng, female=True)]
    return scene.filled(voices, scene.text, 0.3)


def _babble(scene: _Scene) -> Wave:
    length = int(scene.seconds * RATE)
    mixed = np.zeros(length, np.float32)
    for _ in range(scene.rng.integers(5, 21)):
        female = bool(scene.rng.random() < 0.35)
        wave = scene.filled([scene.cast.draw(scene.rng, female=female)], scene.text, 0.3)
        level = 10 ** (scene.rng.uniform(-15, 0) / 20)
        wave = _loud(np.roll(wave, int(scene.rng.integers(max(1, len(wave))))))
        mixed[: len(wave)] += level * wave[:length]
    return mixed


def _whisper(scene: _Scene) -> Wave:
    return scene.filled([scene.cast.whisperer(scene.rng)], scene.text, 0.6)


def _shout(scene: _Scene) -> Wave:
    rng = scene.rng
    voices = [scene.cast.draw(rng) for _ in range(rng.integers(1, 4))]
    voices = [
        replace(v, pitch=rng.uniform(1.5, 2.0), speed=rng.uniform(1.0, 1.4), tape=1.1)
        for v in voices
    ]
    wave = scene.filled(voices, lambda _: f"{rng.choice(_SHOUTS)}!", rng.uniform(0.1, 0.8))
    loud: Wave = np.tanh(_loud(wave) * rng.uniform(2, 8)).astype(np.float32)
    return loud


def _child(scene: _Scene) -> Wave:
    rng = scene.rng
    voices = [scene.cast.draw(rng, female=True) for _ in range(rng.integers(1, 3))]
    voices = [replace(v, pitch=rng.uniform(1.2, 1.7), tape=rng.uniform(1.2, 1.45)) for v in voices]
    return scene.filled(voices, scene.text, 0.5)


def _exclamation(scene: _Scene) -> Wave:
    rng = scene.rng
    voices = [scene.cast.draw(rng) for _ in range(rng.integers(1, 4))]
    said = rng.choice(_EXCLAIMED, rng.integers(1, 4))
    return scene.filled(voices, lambda _: str(rng.choice(said)), rng.uniform(0.1, 0.6))


def _song(scene: _Scene) -> Wave:
    rng = scene.rng
    voices = []
    for _ in range(int(rng.choice([1, 1, 2]))):
        scale = _SCALES[rng.integers(len(_SCALES))]
        octave = int(rng.integers(3, 5))
        notes = [
            (str(rng.choice(_SYLLABLES)), f"{rng.choice(scale)}{octave}", float(beats))
            for beats in rng.choice([0.5, 1.0, 1.0, 1.5, 2.0], 24)
        ]
        singer = str(rng.choice(scene.cast.singers))
        voices.append(_loud(sing(singer, notes, rng.uniform(70, 130), scene.folder)))
    mixed = np.zeros(max(map(len, voices)), np.float32)
    for wave in voices:
        mixed[: len(wave)] += wave
    return mixed


def _in_a_place(rng: np.random.Generator, wave: Wave, *, echoes: bool) -> Wave:
    """Half stay dry; others sound in a room, over a telephone, or from behind a wall. With `echoes`
    all sound in a room."""
    where = rng.uniform(0.5, 0.8) if echoes else rng.random()
    if where < 0.5 or not len(wave):
        return wave
    if where < 0.8:
        length = int(rng.uniform(0.15, 1.2) * RATE)
        decay = np.exp(-6.9 * np.arange(length) / length)
        echo = rng.normal(size=length) * decay
        echo *= rng.uniform(0.3, 1.0) / np.sqrt((echo**2).sum())
        echo[0] += 1.0
        n = 1 << int(len(wave) + length).bit_length()
        wet = np.fft.irfft(np.fft.rfft(wave, n) * np.fft.rfft(echo, n), n)
        return wet[: len(wave)].astype(np.float32)
    low, high = (300.0, 3400.0) if where < 0.92 else (0.0, rng.uniform(800, 2500))
    spectrum = np.fft.rfft(wave)
    hertz = np.fft.rfftfreq(len(wave), 1 / RATE)
    passed = 1 / (1 + (hertz / high) ** 8)
    if low:
        passed *= 1 - 1 / (1 + (hertz / low) ** 8)
    return np.fft.irfft(spectrum * passed, len(wave)).astype(np.float32)


def _cut(wave: Wave, seconds: float) -> Wave:
    return wave[: int(seconds * RATE)]


def _loud(wave: Wave) -> Wave:
    peak = float(np.abs(wave).max(initial=0.0))
    return wave / peak if peak > 0 else wave
