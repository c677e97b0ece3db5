from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from soundseek.bundle.captioning.captioner import Captioner, evenly
from soundseek.bundle.captioning.load import load_captioner
from soundseek.bundle.captioning.write import write_captioner
from soundseek.bundle.load import load_bundle
from soundseek.errors import AudioError, BundleError, QueryError
from support.tiny_bundle import DIMENSION, SOUNDS, sine
from support.tiny_captioner import (
    MOST_WINDOWS,
    decoder_network,
    make_tiny_captioner,
    memory_network,
    tiny_manifest,
    tokenizer_json,
)

Floats = npt.NDArray[np.float32]


@pytest.fixture(scope="module")
def captioner(tiny_captioner: Path) -> Captioner:
    return load_captioner(tiny_captioner, threads=1)


@pytest.fixture(scope="module")
def clips(tiny_bundle: Path) -> list[Floats]:
    """Window vectors of `SOUNDS`, and of longer tones."""
    sounds = [render() for render in SOUNDS.values()]
    sounds += [sine(4000, seconds) for seconds in (0.2, 9.0, 30.0)]
    return load_bundle(tiny_bundle).encode_audio(sounds, sample_rate=16_000, windows=True)


def test_what_is_heard_is_called_by_its_name(captioner: Captioner, clips: list[Floats]) -> None:
    texts = [caption.text for caption in captioner.caption(clips)]
    assert texts[: len(SOUNDS)] == [f"a {word} tone is heard" for word in SOUNDS]
    assert set(texts[len(SOUNDS) :]) == {"a high tone is heard"}


@pytest.mark.parametrize("method", ["beam", "greedy", "nucleus"])
def test_a_caption_does_not_depend_on_the_others_in_the_call(
    captioner: Captioner, clips: list[Floats], method: str
) -> None:
    decoding = dataclasses.replace(captioner.decoding, method=method, temperature=3.0, top_p=1.0)
    alone = [captioner.caption([clip], decoding)[0] for clip in clips]
    # More clips than a batch holds, in another order, their lengths mixed.
    together = captioner.caption([*clips[::-1]] * 4, decoding)
    assert [one.text for one in together] == [one.text for one in alone[::-1]] * 4
    assert [one.score for one in together] == pytest.approx([one.score for one in alone[::-1]] * 4)


def test_draws_vary_with_the_seed_and_with_the_sound(
    captioner: Captioner, clips: list[Floats]
) -> None:
    def drawn(seed: int) -> list[str]:
        decoding = dataclasses.replace(
            captioner.decoding, method="nucleus", temperature=9.0, top_p=1.0, seed=seed
        )
        return [one.text for one in captioner.caption(clips, decoding)]

    assert drawn(1) == drawn(1)
    assert drawn(1) != drawn(2)
    assert len(set(drawn(1)[-3:])) > 1  # three tones alike, of other lengths


def test_a_score_is_at_most_0_and_lower_where_words_are_forced(
    captioner: Captioner, clips: list[Floats]
) -> None:
    free = captioner.caption(clips)
    forced = captioner.caption(
        clips,
        dataclasses.replace(captioner.decoding, vocabulary=frozenset({"a", "low", "tone"})),
    )
    assert all(one.score <= 0 for one in free)
    for with_words, without in zip(forced[1:], free[1:], strict=True):
        assert with_words.score < without.score
        assert set(with_words.text.split()) <= {"a", "low", "tone"}


def test_words_that_it_has_not_learnt(captioner: Captioner, clips: list[Floats]) -> None:
    assert captioner.unusable_words(["rain", "tone", "[END]"]) == ["[END]", "rain"]
    decoding = dataclasses.replace(captioner.decoding, vocabulary=frozenset({"rain", "dog"}))
    with pytest.raises(QueryError, match="none of the 2 words"):
        captioner.caption(clips[:1], decoding)


def test_no_clips_no_captions(captioner: Captioner) -> None:
    assert captioner.caption([]) == []


@pytest.mark.parametrize(
    ("vectors", "message"),
    [
        (np.zeros((0, DIMENSION), np.float32), r"shape \(0, 32\)"),
        (np.zeros((2, DIMENSION + 1), np.float32), r"shape \(2, 33\) instead of \[n, 32\]"),
        (np.zeros(DIMENSION, np.float32), r"shape \(32,\)"),
        (np.full((1, DIMENSION), np.nan, np.float32), "not finite"),
    ],
)
def test_what_are_no_vectors_of_the_bundle_is_refused(
    captioner: Captioner, vectors: Floats, message: str
) -> None:
    with pytest.raises(AudioError, match=f"clip 1 has .*{message}"):
        captioner.caption([np.zeros((1, DIMENSION), np.float32), vectors])


def test_captions_longer_than_the_network_reads_are_refused(captioner: Captioner) -> None:
    decoding = dataclasses.replace(captioner.decoding, max_tokens=13)
    with pytest.raises(QueryError, match="allow at most 12"):
        captioner.caption([], decoding)


def test_half_precision_as_libraries_store_it_is_read(
    captioner: Captioner, clips: list[Floats]
) -> None:
    halves = captioner.caption([clip.astype(np.float16) for clip in clips])
    assert [one.text for one in halves] == [one.text for one in captioner.caption(clips)]


def test_a_long_clip_is_represented_by_windows_spread_evenly(captioner: Captioner) -> None:
    assert list(evenly(3, 4)) == [0, 1, 2]
    assert list(evenly(4, 4)) == [0, 1, 2, 3]
    assert list(evenly(8, 4)) == [1, 3, 5, 7]
    assert list(evenly(1000, 4)) == [125, 375, 625, 875]
    for count in range(5, 40):
        assert len(set(evenly(count, 4).tolist())) == 4
    vectors = np.random.default_rng(0).standard_normal((100, DIMENSION)).astype(np.float32)
    chosen = vectors[evenly(100, MOST_WINDOWS)]
    assert captioner.caption([vectors]) == captioner.caption([chosen])


def test_verify_finds_an_alteration_of_the_same_size(tmp_path: Path, tiny_bundle: Path) -> None:
    folder = make_tiny_captioner(tmp_path / "captions", tiny_bundle)
    load_captioner(folder).verify()
    card = (folder / "MODEL_CARD.md").read_text()
    (folder / "MODEL_CARD.md").write_text(card.replace("tones", "trees"))
    with pytest.raises(BundleError, match=r"MODEL_CARD\.md has been altered"):
        load_captioner(folder).verify()


@pytest.mark.parametrize(
    ("part", "message"),
    [
        ({"memory_onnx": b"nothing"}, r"cannot open .*memory\.onnx"),
        (
            {"memory_onnx": memory_network(("memory", "mask"))},
            r"returns \['mask', 'memory'\] instead of 'memory_mask'",
        ),
        ({"decoder_onnx": memory_network()}, r"decoder\.onnx takes lengths with 1 axes"),
        ({"tokenizer_json": "{}"}, r"cannot read .*tokenizer\.json"),
    ],
)
def test_files_that_break_the_contract_are_named(
    tmp_path: Path, tiny_bundle: Path, part: dict[str, object], message: str
) -> None:
    with pytest.raises(BundleError, match=message):
        altered(tmp_path, tiny_bundle, **part).verify()


def test_logits_that_are_not_finite_are_refused(tmp_path: Path, tiny_bundle: Path) -> None:
    network = decoder_network(tiny_bundle, flaw=float("nan"))
    with pytest.raises(BundleError, match=r"decoder\.onnx returned values that are not finite"):
        altered(tmp_path, tiny_bundle, decoder_onnx=network).verify()


def test_token_ids_beyond_the_vocabulary_are_refused(tmp_path: Path, tiny_bundle: Path) -> None:
    manifest = tiny_manifest(tiny_bundle)
    text = dataclasses.replace(manifest.text, end=99)
    captioner = altered(tmp_path, tiny_bundle, manifest=dataclasses.replace(manifest, text=text))
    with pytest.raises(BundleError, match="at least 100 tokens are needed"):
        captioner.verify()


def altered(folder: Path, bundle: Path, **parts: object) -> Captioner:
    """The tiny captioner with other parts."""
    usual: dict[str, object] = {
        "manifest": tiny_manifest(bundle),
        "memory_onnx": memory_network(),
        "decoder_onnx": decoder_network(bundle),
        "tokenizer_json": tokenizer_json(),
        "model_card": "",
    }
    return load_captioner(write_captioner(folder / "altered", **{**usual, **parts}))
