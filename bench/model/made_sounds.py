"""Speech and music made with free software, for a student to hear in distillation.

    python bench/model/made_sounds.py --out FOLDER --texts CSV… [--speech-hours 1.5]
                                      [--music-hours 1.0] [--seed 1]

Writes FOLDER/audio/…/*.opus (mono, 16 kHz, about 20 kbit/s, 5 to 15 s each) and FOLDER/clips.jsonl,
tier `made`, without captions: a teacher tells what it hears. The CSV files hold the captions that
the voices speak. Needs flite, espeak-ng, fluidsynth and a sound font, and `mido`; the voices of
festival are used where they are installed:

    apt-get install -y flite espeak-ng fluidsynth fluid-soundfont-gm festival festvox-us-slt-hts \\
        festvox-kallpc16k festvox-kdlpc16k festvox-italp16k festvox-itapc16k festvox-czech-dita \\
        festvox-czech-machac festvox-ca-ona-hts festvox-suopuhe-lj festvox-suopuhe-mv festvox-ru

The same seed and the same programs make the same sounds, as far as the programs do.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
import soundfile
from made_music import compose_music
from made_speech import compose_speech
from made_voices import RATE, Cast, Wave, need_programs

from soundseek.errors import DataError, SoundseekError
from soundseek.lab.data.texts import read_captions_csv

SHORTEST_S: Final = 5.0
LONGEST_S: Final = 15.0
_LEAST_S: Final = 1.0  # of sound in a clip; shorter ones are made anew
_TRIES: Final = 5
# libsndfile maps 0…1 to 256…6 kbit/s; this asks for 20.
_OPUS_LEVEL: Final = (256 - 20) / 250

Composer = Callable[[np.random.Generator, float, int], tuple[Wave, str]]


def main() -> None:
    args = _arguments()
    try:
        made = _make(args)
    except SoundseekError as error:
        sys.exit(f"error: {error}")
    print(f"{made} clips in {args.out}")


def _make(args: argparse.Namespace) -> int:
    need_programs("fluidsynth")
    _need_mido()
    texts = [text for path in args.texts for text in read_captions_csv(path)]
    cast = Cast()
    made = 0
    args.out.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as scratch,
        (args.out / "clips.jsonl").open("w", encoding="utf-8") as listed,
    ):
        folder = Path(scratch)
        plans: list[tuple[str, float, Composer]] = [
            (
                "made_music",
                args.music_hours,
                lambda rng, seconds, index: compose_music(rng, seconds, index, folder),
            ),
            (
                "made_speech",
                args.speech_hours,
                lambda rng, seconds, index: compose_speech(rng, seconds, texts, cast, folder),
            ),
        ]
        for source, hours, composer in plans:
            for row in _clips(args.out, source, hours, args.seed, composer):
                print(json.dumps(row), file=listed, flush=True)
                made += 1
                if made % 50 == 0:
                    print(f"{made} clips", flush=True)
    return made


def _clips(
    out: Path, source: str, hours: float, seed: int, composer: Composer
) -> Iterator[dict[str, Any]]:
    folder = out / "audio" / source
    folder.mkdir(parents=True, exist_ok=True)
    left, index = hours * 3600, 0
    while left > 0:
        wave, name = _sound(source, seed, index, composer)
        path = folder / f"{seed}-{index:05d}.opus"
        write_opus(path, wave)
        yield _row(source, path.relative_to(out), name, len(wave) / RATE)
        left -= len(wave) / RATE
        index += 1


def _sound(source: str, seed: int, index: int, composer: Composer) -> tuple[Wave, str]:
    for attempt in range(_TRIES):
        rng = np.random.default_rng((seed, *source.encode(), index, attempt))
        seconds = float(rng.uniform(SHORTEST_S, LONGEST_S))
        wave, name = composer(rng, seconds, index)
        wave = finished(wave, seconds, level_db=float(rng.uniform(-18, -1)))
        if len(wave) >= _LEAST_S * RATE:
            return wave, name
    raise DataError(
        f"{source} number {index}: {_TRIES} tries gave no sound",
        remedy="check that the synthesizers work on this machine",
    )


def finished(wave: Wave, seconds: float, level_db: float) -> Wave:
    """Without silence before and after, at most `seconds` long, faded out, its peak at `level_db`
    of full scale. Empty when there is no sound."""
    peak = float(np.abs(wave).max(initial=0.0))
    if peak < 1e-4:
        return wave[:0]
    heard = np.flatnonzero(np.abs(wave) > 0.01 * peak)
    wave = wave[heard[0] : heard[-1] + 1][: int(seconds * RATE)]
    fade = min(len(wave), RATE // 20)
    wave = wave * (10 ** (level_db / 20) / float(np.abs(wave).max()))
    wave[len(wave) - fade :] *= np.linspace(1, 0, fade, dtype=np.float32)
    return wave


def write_opus(path: Path, wave: Wave) -> None:
    """Write mono 16 kHz Opus in Ogg, at about 20 kbit/s."""
    soundfile.write(path, wave, RATE, format="OGG", subtype="OPUS", compression_level=_OPUS_LEVEL)


def _row(source: str, file: Path, name: str, seconds: float) -> dict[str, Any]:
    identity = f"{source}/{file.stem}"
    return {
        "id": identity,
        "file": file.as_posix(),
        "split": "train",
        "tier": "made",
        "source": source,
        "kind": "voice or music",
        "captions": [],
        "caption_quality": 0,
        "group": identity,
        "label": None,
        "names": [name],
        "title": None,
        "duration_s": round(seconds, 3),
        "licence": "made by bench/model/made_sounds.py",
        "author": "the soundseek authors",
        "source_repo": None,
        "source_path": None,
        "source_url": None,
        "freesound_id": None,
    }


def _need_mido() -> None:
    from importlib.util import find_spec

    if find_spec("mido") is None:
        raise DataError("mido is not installed", remedy="pip install mido")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--texts", type=Path, nargs="+", required=True)
    parser.add_argument("--speech-hours", type=float, default=1.5)
    parser.add_argument("--music-hours", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


if __name__ == "__main__":
    main()
