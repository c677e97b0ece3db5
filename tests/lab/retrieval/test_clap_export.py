from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

import torch
import transformers
from safetensors.torch import load_file, save_file

from soundseek.bundle.load import load_bundle
from soundseek.errors import BundleError, DataError
from soundseek.lab.data.manifest import read_clips_jsonl, write_parquet
from soundseek.lab.retrieval.clap_card import origin_of
from soundseek.lab.retrieval.clap_export import export_clap, measured
from soundseek.lab.systems import export
from soundseek.lab.text_encoders import hub
from support.command_line import live_in, succeeded, typed, write_sounds
from support.tiny_models import TEXTS, bert, clap, edited, saved

pytestmark = pytest.mark.lab

RATE = 48_000
README = "---\nlicense: apache-2.0\ntags: [audio]\n---\n# A model\n"


def silent(_: str) -> None:
    """Say nothing."""


def extractor() -> Any:
    # Not the lowest frequency of the published models, so that it must come from the folder.
    return transformers.ClapFeatureExtractor(
        frequency_min=80, truncation="rand_trunc", padding="repeatpad"
    )


@pytest.fixture(scope="module")
def upstream() -> Any:
    network: Any = clap()
    with torch.no_grad():
        network.logit_scale_a.fill_(float(np.log(20.0)))
        network.logit_scale_t.fill_(float(np.log(5.0)))
    return network


@pytest.fixture(scope="module")
def folder(upstream: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = saved(upstream, tmp_path_factory.mktemp("models") / "tiny-clap", "roberta")
    (made / "README.md").write_text(README, encoding="utf-8")
    extractor().save_pretrained(made)
    return made


@pytest.fixture(scope="module")
def bundle_folder(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export_clap(
        str(folder), tmp_path_factory.mktemp("bundles") / "made", name="my-clap", say=silent
    )


def public_sound(upstream: Any, samples: np.ndarray) -> np.ndarray:
    given = extractor()(samples, sampling_rate=RATE, return_tensors="pt")["input_features"]
    return public(upstream, features=given.float()).audio_embeds.numpy()


def public_texts(upstream: Any, folder: Path, texts: list[str]) -> np.ndarray:
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_file=str(folder / "tokenizer.json"), pad_token="<pad>"
    )
    given = tokenizer(texts, padding=True, return_tensors="pt")
    return public(upstream, given["input_ids"], given["attention_mask"]).text_embeds.numpy()


@torch.no_grad()
def public(upstream: Any, ids: Any = None, mask: Any = None, features: Any = None) -> Any:
    """The whole model's output; what is not given is anything."""
    return upstream(
        input_ids=torch.tensor([[0, 2]]) if ids is None else ids,
        attention_mask=mask,
        input_features=torch.zeros(1, 1, 1001, 64) if features is None else features,
    )


def sound(seconds: float, seed: int) -> np.ndarray:
    generator = np.random.default_rng(seed)
    time = np.arange(round(seconds * RATE)) / RATE
    swept = np.sin(2 * np.pi * (200 * seed + 150 * time) * time)
    loudness = np.abs(np.sin(time * seed))
    return (loudness * (0.3 * swept + 0.05 * generator.standard_normal(time.size))).astype("f4")


@pytest.mark.slow
def test_sounds_of_ten_seconds_have_the_public_vectors(upstream: Any, bundle_folder: Path) -> None:
    bundle = load_bundle(bundle_folder)
    sounds = [sound(10.0, seed) for seed in (1, 2, 3)]
    found = bundle.encode_audio(sounds, RATE)
    expected = np.concatenate([public_sound(upstream, samples) for samples in sounds])
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)
    # The tolerance tells one sound from another.
    assert np.abs(found[0] - found[1]).max() > 0.01


@pytest.mark.slow
def test_short_sounds_are_repeated_nearly_as_in_public(upstream: Any, bundle_folder: Path) -> None:
    samples = sound(2.0, 4)
    (found,) = load_bundle(bundle_folder).encode_audio([samples], RATE)
    assert float(found @ public_sound(upstream, samples)[0]) > 0.99


@pytest.mark.slow
def test_sentences_have_the_public_vectors(
    upstream: Any, folder: Path, bundle_folder: Path
) -> None:
    texts = [*TEXTS, "Birds sing while rain falls", "something unheard of"]
    found = load_bundle(bundle_folder).encode_text(texts)
    np.testing.assert_allclose(found, public_texts(upstream, folder, texts), rtol=0, atol=1e-5)
    assert np.abs(found[0] - found[1]).max() > 0.01


@pytest.mark.slow
def test_the_manifest_and_the_card_tell_what_is_known(bundle_folder: Path) -> None:
    manifest = load_bundle(bundle_folder).manifest
    assert manifest.name == "my-clap"
    assert manifest.dimension == 12
    assert manifest.audio.window_samples == manifest.audio.hop_samples == 480_000
    assert manifest.text.max_tokens == 20  # positions of the tiny model
    assert manifest.similarity.scale == pytest.approx(20.0, abs=1e-3)
    assert manifest.similarity.calibration is None
    assert manifest.provenance.scores == {}
    assert manifest.provenance.data == ()
    assert manifest.provenance.attribution == (
        "Weights of the CLAP tiny-clap; licence: apache-2.0."
    )
    card = (bundle_folder / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert "nothing about it was measured" in card
    assert "as their README states it: apache-2.0" in card
    assert str(bundle_folder.parent) not in card


@pytest.mark.slow
def test_a_folder_becomes_a_bundle_that_indexes_and_searches(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = tmp_path / "my-clap"
    live_in(tmp_path, made, monkeypatch)
    said = succeeded("export", folder, "--name", "my-clap", "--out", made, "--window", "4")
    assert said.splitlines()[-1] == str(made)
    assert load_bundle(made).window_s == 4.0
    files = write_sounds(tmp_path / "sounds")
    succeeded("index", tmp_path / "sounds")
    found = succeeded("search", "a dog barks", "-k", "3")
    assert sum(file.name in found for file in files.values()) == 3


@pytest.mark.slow
def test_clips_score_and_calibrate(folder: Path, synthetic: Path, tmp_path: Path) -> None:
    clips = read_clips_jsonl(synthetic / "clips.jsonl")
    broken = tmp_path / "broken.wav"
    broken.write_bytes(b"no sound")
    first, *others = clips[:6]
    fields = {**vars(first), "id": "broken", "path": str(broken)}
    write_parquet([type(first)(**fields), first, *others], tmp_path / "mine.parquet")
    said: list[str] = []
    made = export(
        folder,
        tmp_path / "bundle",
        name="scored",
        say=said.append,
        window_s=1.0,
        clips=tmp_path / "mine.parquet",
    )
    manifest = load_bundle(made).manifest
    scores: Any = manifest.provenance.scores["mine"]
    assert scores["clips"] == 6
    assert manifest.similarity.calibration is not None
    assert any("left out" in line and "broken.wav" in line for line in said)
    card = (made / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert "| mine (6 clips" in card
    assert "nothing about it was measured" not in card


@pytest.mark.slow
def test_clips_of_one_group_measure_nothing(
    bundle_folder: Path, synthetic: Path, tmp_path: Path
) -> None:
    one = read_clips_jsonl(synthetic / "clips.jsonl")[:1]
    write_parquet(one, tmp_path / "one.parquet")
    with pytest.raises(DataError, match="1 readable captioned clips, of fewer than two groups"):
        measured(load_bundle(bundle_folder), tmp_path / "one.parquet", silent)


def test_feature_fusion_is_refused_with_the_reason(folder: Path, tmp_path: Path) -> None:
    fused = tmp_path / "fused"
    fused.mkdir()
    for file in folder.iterdir():
        (fused / file.name).write_bytes(file.read_bytes())
    audio = hub.read_json(fused / "config.json")["audio_config"]
    edited(fused, "config.json", audio_config={**audio, "enable_fusion": True})
    result = typed("export", fused, "--name", "x", "--out", tmp_path / "out")
    assert result.exit_code == 2
    assert "feature fusion, which mixes random crops" in result.stderr


def test_other_models_and_folders_are_refused(tmp_path: Path) -> None:
    other = saved(bert(), tmp_path / "bert")
    with pytest.raises(DataError, match="holds a bert, not a clap"):
        export(other, tmp_path / "out", name="x", say=silent)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"neither recipe\.json nor config\.json"):
        export(tmp_path / "empty", tmp_path / "out", name="x", say=silent)


def test_a_path_to_no_run_is_not_looked_for_on_the_hub(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs").mkdir()
    for path in ("gone", "runs/gone", "../gone", "a/b/c"):
        with pytest.raises(DataError, match="no run in"):
            export(Path(path), tmp_path / "out", name="x", say=silent)


def test_a_hub_name_is_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    asked: list[str] = []

    def find(model: str, *names: str) -> None:
        asked.append(model)

    monkeypatch.setattr(hub, "find", find)
    with pytest.raises(DataError, match=r"somebody/some-clap has no config\.json"):
        export(Path("somebody/some-clap"), tmp_path / "out", name="x", say=silent)
    assert asked == ["somebody/some-clap"]


def test_a_run_brings_its_own_clips(tmp_path: Path) -> None:
    (tmp_path / "recipe.json").write_text("{}", encoding="utf-8")
    with pytest.raises(BundleError, match="is a run, which is scored on its own clips"):
        export(tmp_path, tmp_path / "out", name="x", say=silent, clips=tmp_path / "a.parquet")


@pytest.mark.parametrize("window_s", [10.5, 0.001])
def test_windows_that_do_not_fit(folder: Path, tmp_path: Path, window_s: float) -> None:
    with pytest.raises(BundleError, match="do not fit: CLAP hears"):
        export_clap(str(folder), tmp_path / "out", name="x", say=silent, window_s=window_s)


def test_a_checkpoint_without_its_scale_is_refused(folder: Path, tmp_path: Path) -> None:
    bare = tmp_path / "bare"
    bare.mkdir()
    for file in folder.iterdir():
        (bare / file.name).write_bytes(file.read_bytes())
    tensors = load_file(bare / "model.safetensors")
    tensors.pop("logit_scale_a")
    save_file(tensors, bare / "model.safetensors")
    with pytest.raises(DataError, match="has no logit_scale_a"):
        export_clap(str(bare), tmp_path / "out", name="x", say=silent)


def test_a_taken_destination_is_told_before_the_work(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("mine", encoding="utf-8")
    said: list[str] = []
    with pytest.raises(BundleError, match="exists already"):
        export_clap(str(folder), tmp_path, name="x", say=said.append)
    assert said == []


@pytest.mark.parametrize(
    ("readme", "name", "licence", "warned"),
    [
        (None, "here", None, False),
        ("# No head\n", "here", None, False),
        ("---\nlicense: [mit, cc0-1.0]\n---\n", "here", "mit, cc0-1.0", False),
        ("---\nlicense: other\nlicense_name: mine\nmodel_name: Ear\n---\n", "Ear", "mine", False),
        ("---\nlicense: [mit\n---\n", "here", None, True),
        ("---\nnever closed\n", "here", None, True),
        ("---\njust words\n---\n", "here", None, True),
    ],
)
def test_what_a_readme_says(
    tmp_path: Path, readme: str | None, name: str, licence: str | None, warned: bool
) -> None:
    folder = tmp_path / "here"
    folder.mkdir()
    if readme is not None:
        (folder / "README.md").write_text(readme, encoding="utf-8")
    said: list[str] = []
    origin = origin_of(str(folder), said.append)
    assert (origin.name, origin.licence, bool(said)) == (name, licence, warned)
