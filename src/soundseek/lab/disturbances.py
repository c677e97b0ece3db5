"""What may happen to a sound before a model hears it: noise, company, level, codecs, rooms, cuts.

Each disturbance is a function of a `Sound` that gives the changed samples and their rate; all that
is random is drawn from the generator that it is given. Nothing is clipped but where it says so:
samples are floats, and may pass 1.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final, cast

import numpy as np
from numpy.typing import NDArray

from soundseek.audio.resample import resample
from soundseek.errors import AudioError, DataError
from soundseek.lab.augment.mixing import mixed, placed
from soundseek.lab.augment.waveform import amplified

if TYPE_CHECKING:
    from av import AudioStream

Floats = NDArray[np.float32]
Heard = tuple[Floats, int]

TELEPHONE_HZ: Final = 8_000
# Rates that both MP3 and Opus know, and that no codec has to narrow a recording to.
CODEC_HZ: Final = 48_000
# Time in which the room's echo falls by 60 dB; direct sound and echo have equal energy.
REVERBERATION_S: Final = 1.0


@dataclass(frozen=True)
class Sound:
    """A mono sound: `samples` float32 at `rate` Hz, what the models hear; `original` at
    `original_rate` Hz, as it was decoded; `intruder`, another sound at `rate`."""

    samples: Floats
    rate: int
    original: Floats
    original_rate: int
    intruder: Floats


@dataclass(frozen=True)
class Codec:
    """An encoder of FFmpeg, the container its sound travels in, and the encoder's options."""

    name: str
    container: str
    options: tuple[tuple[str, str], ...] = ()


# LAME's fast mode: a third of the time of its default.
MP3: Final = Codec("libmp3lame", "mp3", (("compression_level", "7"),))
OPUS: Final = Codec("libopus", "ogg")

Disturbance = Callable[[Sound, np.random.Generator], Heard]


def noisy(sound: Sound, rng: np.random.Generator, *, snr_db: float, pink: bool = False) -> Heard:
    """Add white or pink (power as 1/f, from 20 Hz) Gaussian noise; a silent sound stays silent."""
    length = len(sound.samples)
    noise = rng.standard_normal(_fast(length) if pink else length)
    if pink:
        hz = np.fft.rfftfreq(len(noise), 1.0 / sound.rate)
        noise = np.fft.irfft(np.fft.rfft(noise) / np.sqrt(np.maximum(hz, 20.0)), len(noise))
        noise = noise[:length]
    power = float(np.mean(np.square(sound.samples, dtype=np.float64)))
    wanted = power * 10.0 ** (-snr_db / 10.0)
    noise *= np.sqrt(wanted / float(np.mean(np.square(noise))))
    return sound.samples + noise.astype(np.float32), sound.rate


def with_intruder(sound: Sound, rng: np.random.Generator, *, level_db: float) -> Heard:
    """Add the other sound once at a random place, `level_db` above this one in root mean square."""
    start, place = rng.random(2)
    other, _ = placed(sound.intruder, len(sound.samples), float(start), float(place))
    return mixed(sound.samples, other, level_db), sound.rate


def at_level(sound: Sound, _: np.random.Generator, *, gain_db: float) -> Heard:
    """Change the level, and clip what passes full scale."""
    return np.clip(amplified(sound.samples, gain_db), -1.0, 1.0), sound.rate


def telephone(sound: Sound, _: np.random.Generator) -> Heard:
    """Keep what is below 4 kHz: down to 8 kHz and back."""
    narrow = resample(sound.samples, sound.rate, TELEPHONE_HZ)
    return resample(narrow, TELEPHONE_HZ, sound.rate)[: len(sound.samples)], sound.rate


def in_a_room(sound: Sound, rng: np.random.Generator) -> Heard:
    """Direct sound and an echo of Gaussian noise that decays exponentially (Polack 1988)."""
    t = np.arange(round(REVERBERATION_S * sound.rate)) / sound.rate
    response = rng.standard_normal(len(t)) * np.exp(-3.0 * np.log(10.0) * t / REVERBERATION_S)
    response /= np.sqrt(np.sum(np.square(response)))
    response[0] += 1.0
    length = len(sound.samples) + len(response) - 1
    fast = _fast(length)
    spectrum = np.fft.rfft(sound.samples, fast) * np.fft.rfft(response, fast)
    return np.fft.irfft(spectrum, fast)[:length].astype(np.float32), sound.rate


def beginning(sound: Sound, _: np.random.Generator, *, seconds: float) -> Heard:
    """Cut to the first seconds; a shorter sound stays whole."""
    return sound.samples[: round(seconds * sound.rate)], sound.rate


def after_silence(sound: Sound, _: np.random.Generator, *, seconds: float) -> Heard:
    """Put digital silence before it."""
    silence = np.zeros(round(seconds * sound.rate), np.float32)
    return np.concatenate([silence, sound.samples]), sound.rate


def coded(sound: Sound, _: np.random.Generator, *, codec: Codec, kbit_s: int) -> Heard:
    """Encode the original at 48 kHz and decode it again, in memory; the length stays.

    Raises `DataError` without PyAV, `AudioError` if the codec gives nothing back.
    """
    try:
        import av
    except ModuleNotFoundError as error:
        raise DataError(
            "codecs need PyAV, which is not installed", remedy="pip install 'soundseek[video]'"
        ) from error

    samples = np.clip(resample(sound.original, sound.original_rate, CODEC_HZ), -1.0, 1.0)
    packed = io.BytesIO()
    with av.open(packed, "w", format=codec.container) as output:
        added = output.add_stream(
            codec.name, rate=CODEC_HZ, layout="mono", options=dict(codec.options)
        )
        stream = cast("AudioStream", added)
        stream.bit_rate = kbit_s * 1_000
        converter = av.AudioResampler(format=stream.format, layout="mono", rate=CODEC_HZ)
        frame = av.AudioFrame.from_ndarray(samples[None, :], format="fltp", layout="mono")
        frame.sample_rate = CODEC_HZ
        frames = [*converter.resample(frame), *converter.resample(None)]
        for each in frames:
            output.mux(stream.encode(each))
        output.mux(stream.encode(None))
    packed.seek(0)
    with av.open(packed, "r", format=codec.container) as source:
        planar = av.AudioResampler(format="fltp", layout="mono", rate=CODEC_HZ)
        parts = [
            converted.to_ndarray()[0]
            for decoded in source.decode(audio=0)
            for converted in planar.resample(decoded)
        ]
    if not parts:
        raise AudioError(
            f"{codec.name} at {kbit_s} kbit/s gives back nothing of {len(samples)} samples"
        )
    return np.concatenate(parts)[: len(samples)].astype(np.float32, copy=False), CODEC_HZ


def _fast(length: int) -> int:
    """The power of two that is at least `length`: Fourier transforms of others can be slow."""
    return 1 << (length - 1).bit_length()


DISTURBANCES: Final[dict[str, Disturbance]] = {
    "white noise, 20 dB": partial(noisy, snr_db=20.0),
    "white noise, 10 dB": partial(noisy, snr_db=10.0),
    "white noise, 0 dB": partial(noisy, snr_db=0.0),
    "pink noise, 20 dB": partial(noisy, snr_db=20.0, pink=True),
    "pink noise, 10 dB": partial(noisy, snr_db=10.0, pink=True),
    "pink noise, 0 dB": partial(noisy, snr_db=0.0, pink=True),
    "another sound, -10 dB": partial(with_intruder, level_db=-10.0),
    "another sound, 0 dB": partial(with_intruder, level_db=0.0),
    "gain -30 dB": partial(at_level, gain_db=-30.0),
    "gain -20 dB": partial(at_level, gain_db=-20.0),
    "gain +20 dB, clipped": partial(at_level, gain_db=20.0),
    "MP3, 64 kbit/s": partial(coded, codec=MP3, kbit_s=64),
    "MP3, 32 kbit/s": partial(coded, codec=MP3, kbit_s=32),
    "Opus, 12 kbit/s": partial(coded, codec=OPUS, kbit_s=12),
    "below 4 kHz": telephone,
    "room, 1 s": in_a_room,
    "first 1 s": partial(beginning, seconds=1.0),
    "first 2 s": partial(beginning, seconds=2.0),
    "first 5 s": partial(beginning, seconds=5.0),
    "after 5 s of silence": partial(after_silence, seconds=5.0),
}
