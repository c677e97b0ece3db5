"""The voices of flite, espeak-ng and festival, each as text in, 16 kHz waveform out."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from soundseek.errors import DataError

RATE: Final = 16_000
Wave = NDArray[np.float32]

_FLITE: Final = ("kal", "kal16", "awb", "rms", "slt")
_FLITE_PITCH_HZ: Final = {"slt": 170.0}
_ESPEAK_ENGLISH: Final = (
    *("en-gb", "en-us", "en-029", "en-gb-scotland", "en-gb-x-gbclan", "en-gb-x-gbcwmd"),
    *("en-gb-x-rp", "en-us-nyc"),
)
_ESPEAK_VARIANTS: Final = (
    *("m1", "m2", "m3", "m4", "m5", "m6", "m7", "m8", "f1", "f2", "f3", "f4", "f5", "croak"),
    *("klatt", "klatt2", "klatt3", "klatt4", "Alex", "Alicia", "Andrea", "Annie", "Denis", "Gene"),
    *("Henrique", "Jacky", "Lee", "Marco", "Michael", "Mike", "anika", "aunty", "belinda"),
    *("david", "edward", "grandpa", "linda", "max", "paul", "rob", "steph", "victor"),
)
_FEMALE: Final = ("f1", "f2", "f3", "f4", "f5", "Alicia", "Andrea", "Annie", "anika", "belinda")
_SINGERS: Final = ("kal_diphone", "ked_diphone", "lp_diphone")
_SECONDS_AT_MOST: Final = 60


@dataclass(frozen=True)
class Voice:
    """One way to speak. `pitch` and `speed` are factors of the voice's own; `tape` plays the result
    faster (over 1), which raises pitch and formants together, as in a smaller head."""

    engine: str
    name: str
    english: bool
    pitch: float = 1.0
    speed: float = 1.0
    tape: float = 1.0


def need_programs(*names: str) -> None:
    """Raise `DataError` naming the package of the first program that is not installed."""
    packages = {"text2wave": "festival", "fluidsynth": "fluidsynth fluid-soundfont-gm"}
    for name in names:
        if shutil.which(name) is None:
            raise DataError(
                f"the program {name} is not installed",
                remedy=f"apt-get install -y {packages.get(name, name)}",
            )


def espeak_languages() -> list[str]:
    """The languages of espeak-ng that are not English."""
    listed = subprocess.run(["espeak-ng", "--voices"], capture_output=True, text=True, check=True)
    names = [line.split()[1] for line in listed.stdout.splitlines()[1:]]
    return sorted({name for name in names if not name.startswith("en")})


def festival_voices() -> list[str]:
    """The voices of festival that are installed; none where festival is not."""
    if shutil.which("festival") is None:
        return []
    listed = subprocess.run(
        ["festival", "-b", "(print (voice.list))"], capture_output=True, text=True, check=True
    )
    return sorted(re.findall(r"[a-z]\w+", listed.stdout))


class Cast:
    """All voices at hand, drawn from at random."""

    def __init__(self) -> None:
        need_programs("flite", "espeak-ng")
        self.languages = espeak_languages()
        self.festival = festival_voices()
        self.singers = [name for name in self.festival if name in _SINGERS]

    def draw(self, rng: np.random.Generator, *, female: bool = False) -> Voice:
        """A voice: three in ten flite, two festival, the rest espeak-ng, half of it English."""
        speed = float(np.exp(rng.normal(0, 0.18)))
        pitch = float(np.exp(rng.normal(0, 0.2)))
        tape = float(np.exp(rng.normal(0, 0.06)))
        part = rng.random()
        if part < 0.3:
            name = "slt" if female else str(rng.choice(_FLITE))
            return Voice("flite", name, True, pitch, speed, tape)
        if part < 0.5 and self.festival and not female:
            name = str(rng.choice(self.festival))
            return Voice("festival", name, "_ru_" not in name, 1.0, speed, tape)
        english = rng.random() < 0.5
        language = str(rng.choice(_ESPEAK_ENGLISH if english else self.languages))
        variant = str(rng.choice(_FEMALE if female else _ESPEAK_VARIANTS))
        return Voice("espeak", f"{language}+{variant}", english, pitch, speed, tape)

    def whisperer(self, rng: np.random.Generator) -> Voice:
        """An English voice of espeak-ng that whispers."""
        variant = rng.choice(["whisper", "whisperf"])
        speed = float(rng.uniform(0.7, 1.1))
        return Voice("espeak", f"{rng.choice(_ESPEAK_ENGLISH)}+{variant}", True, 1.0, speed)


def speak(voice: Voice, text: str, folder: Path) -> Wave:
    """What `voice` makes of `text`, `[samples]` at 16 kHz; empty where the program fails on it."""
    out = folder / "spoken.wav"
    out.unlink(missing_ok=True)
    if voice.engine == "flite":
        hz = _FLITE_PITCH_HZ.get(voice.name, 110.0) * voice.pitch
        command = ["flite", "-voice", voice.name, "-t", text, "-o", str(out)]
        command += ["--setf", f"duration_stretch={1 / voice.speed:.3f}"]
        command += ["--setf", f"int_f0_target_mean={hz:.1f}"]
        return _heard(command, None, out, voice.tape)
    if voice.engine == "espeak":
        pitch = int(np.clip(50 * voice.pitch, 0, 99))
        speed = int(np.clip(165 * voice.speed, 80, 420))
        command = ["espeak-ng", "-v", voice.name, "-p", str(pitch), "-s", str(speed)]
        return _heard([*command, "-w", str(out), "--", text], None, out, voice.tape)
    stretch = f"(Parameter.set 'Duration_Stretch {1 / voice.speed:.3f})"
    command = ["text2wave", "-eval", f"(voice_{voice.name})", "-eval", stretch, "-o", str(out)]
    return _heard(command, text, out, voice.tape)


def sing(singer: str, notes: list[tuple[str, str, float]], bpm: float, folder: Path) -> Wave:
    """A voice of festival singing notes of (syllable, pitch such as "C4", beats)."""
    out, score = folder / "spoken.wav", folder / "song.xml"
    out.unlink(missing_ok=True)
    sung = "".join(
        f'<PITCH NOTE="{pitch}"><DURATION BEATS="{beats}">{syllable}</DURATION></PITCH>'
        for syllable, pitch, beats in notes
    )
    head = '<!DOCTYPE SINGING PUBLIC "-//SINGING//DTD SINGING mark up//EN" "Singing.v0_1.dtd" []>'
    score.write_text(f'<?xml version="1.0"?>\n{head}\n<SINGING BPM="{bpm:.0f}">{sung}</SINGING>\n')
    command = ["text2wave", "-mode", "singing", "-eval", f"(voice_{singer})", "-o", str(out)]
    return _heard([*command, str(score)], None, out, 1.0)


def read_wave(path: Path, tape: float = 1.0) -> Wave:
    """A wav file as mono at 16 kHz, played `tape` times as fast; empty where there is none."""
    if not path.is_file() or path.stat().st_size <= 44:
        return np.zeros(0, np.float32)
    samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    mono = samples.mean(1)
    return np.asarray(soxr.resample(mono, round(rate * tape), RATE), np.float32)


def _heard(command: list[str], text: str | None, out: Path, tape: float) -> Wave:
    try:
        subprocess.run(
            command,
            input=text,
            capture_output=True,
            text=True,
            timeout=_SECONDS_AT_MOST,
            check=True,
        )
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
        return np.zeros(0, np.float32)
    return read_wave(out, tape)
