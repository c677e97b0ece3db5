"""The captioner that ships: it fits the embedded model, and says what can be heard."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import soundseek
from soundseek.bundle.places import embedded_folder
from soundseek.synth import render

MOST_BYTES = 40_000_000


def test_it_reads_the_embedded_model_and_is_whole() -> None:
    bundle = soundseek.load_bundle()
    captioner = soundseek.load_captioner()
    assert captioner.hears == bundle.fingerprint
    assert soundseek.load_captioner(bundle=bundle).fingerprint == captioner.fingerprint
    captioner.verify()


def test_all_that_ships_is_small() -> None:
    files = [path for path in embedded_folder().rglob("*") if path.is_file()]
    networks = sum(path.stat().st_size for path in files if path.suffix == ".onnx")
    assert 0 < networks <= MOST_BYTES


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("thunder", {"thunder", "rumbles", "rumbling"}),
        ("dog_bark", {"dog", "barks", "barking"}),
        ("siren", {"siren", "sirens"}),
    ],
)
def test_it_names_plain_sounds(kind: str, words: set[str]) -> None:
    bundle = soundseek.load_bundle()
    sound = render(kind, duration_s=6.0, sample_rate=bundle.sample_rate)
    (windows,) = bundle.encode_audio([sound], bundle.sample_rate, windows=True)
    (caption,) = soundseek.load_captioner().caption([windows])
    assert words & set(caption.text.split()), caption.text
    assert caption.score < 0.0


def test_a_caption_hangs_on_the_sound_alone() -> None:
    bundle, captioner = soundseek.load_bundle(), soundseek.load_captioner()
    rng = np.random.default_rng(1)
    sounds = [rng.uniform(-0.3, 0.3, n).astype(np.float32) for n in (3_200, 80_000, 160_000)]
    windows = bundle.encode_audio(sounds, bundle.sample_rate, windows=True)
    together = captioner.caption(windows)
    alone = [captioner.caption([one])[0] for one in windows]
    assert [one.text for one in together] == [one.text for one in alone]
    assert Path(captioner.folder, "MODEL_CARD.md").read_text(encoding="utf-8").startswith("# ")
