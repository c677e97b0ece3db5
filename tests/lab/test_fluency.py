from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

import torch
import transformers

from soundseek.errors import DataError
from soundseek.lab import fluency
from soundseek.lab.fluency import ErrorDetector, judge
from support.tiny_models import SIZES, TEXTS, VOCABULARY, saved, scattered

pytestmark = pytest.mark.lab

SAID = {"a": TEXTS[0], "b": TEXTS[1], "c": TEXTS[0], "d": "birds birds birds"}
ASKED = {"a": [TEXTS[0]], "b": [TEXTS[0], TEXTS[2], " "], "c": [TEXTS[3]], "d": [TEXTS[2]]}


def network(positions: int = 128) -> torch.nn.Module:
    config = transformers.BertConfig(
        vocab_size=VOCABULARY, max_position_embeddings=positions, initializer_range=0.3, **SIZES
    )
    return scattered(transformers.BertModel(config))


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as FENSE's, of tiny random networks."""
    folder = tmp_path_factory.mktemp("fense")
    torch.manual_seed(0)
    sentences = saved(network(), folder / "sentences")
    modules = [
        {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
        {"idx": 1, "name": "1", "path": "1_P", "type": "sentence_transformers.models.Pooling"},
    ]
    (sentences / "modules.json").write_text(json.dumps(modules), encoding="utf-8")
    (sentences / "1_P").mkdir()
    pooling = {"pooling_mode_cls_token": False, "pooling_mode_mean_tokens": True}
    (sentences / "1_P" / "config.json").write_text(json.dumps(pooling), encoding="utf-8")
    below = network()
    base = saved(below, folder / "base")
    (base / "model.safetensors").unlink()
    detector = ErrorDetector(below, SIZES["hidden_size"], 5)
    torch.nn.init.normal_(detector.clf.weight)
    state = {
        **detector.state_dict(),
        "encoder.embeddings.position_ids": torch.arange(128)[None],
    }
    document = {"model_type": "bert-base-uncased", "num_classes": 5, "state_dict": state}
    torch.save(document, folder / "detector.ckpt")
    return folder


@pytest.fixture
def copied(models: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(models, tmp_path / "fense"))


def test_similarities_and_errors(models: Path) -> None:
    found = judge(SAID, ASKED, models)
    assert found.similarities["a"] == pytest.approx(1.0, abs=1e-5)
    assert all(-1.0 <= value < 0.9999 for clip, value in found.similarities.items() if clip != "a")
    assert found.errors["a"] == found.errors["c"]
    assert all(0.0 <= value <= 1.0 for value in found.errors.values())
    assert len(set(found.errors.values())) == 3


def test_a_naive_way_gives_the_same(models: Path) -> None:
    found = judge(SAID, ASKED, models)
    with torch.no_grad():
        text = transformers.AutoModel.from_pretrained(models / "sentences").eval()
        tokenizer = transformers.AutoTokenizer.from_pretrained(models / "sentences")

        def vector(sentence: str) -> torch.Tensor:
            states = text(**tokenizer(sentence, return_tensors="pt")).last_hidden_state
            return torch.nn.functional.normalize(states[0].mean(0), dim=0)

        alike = [float(vector(TEXTS[1]) @ vector(other)) for other in (TEXTS[0], TEXTS[2])]
        assert found.similarities["b"] == pytest.approx(sum(alike) / 2, abs=1e-5)
        state = torch.load(models / "detector.ckpt", weights_only=True)["state_dict"]
        config = transformers.AutoConfig.from_pretrained(models / "base")
        detector = ErrorDetector(transformers.AutoModel.from_config(config), 16, 5).eval()
        detector.load_state_dict({k: v for k, v in state.items() if "position_ids" not in k})
        batch = tokenizer(TEXTS[1], return_tensors="pt", padding="max_length", max_length=64)
        logits = detector(batch["input_ids"], batch["attention_mask"])
    assert found.errors["b"] == pytest.approx(float(torch.sigmoid(logits[0, -1])), abs=1e-5)


def test_batches_change_nothing(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = judge(SAID, ASKED, models)
    monkeypatch.setattr(fluency, "_AT_ONCE", 1)
    single = judge(SAID, ASKED, models)
    assert single.similarities == pytest.approx(whole.similarities, abs=1e-5)
    assert single.errors == pytest.approx(whole.errors, abs=1e-5)


def test_captions_that_are_long_or_empty(models: Path) -> None:
    said = {"a": "birds sing " * 500, "b": ""}
    found = judge(said, {"a": ["birds sing"], "b": ["rain"]}, models)
    assert set(found.errors) == set(found.similarities) == {"a", "b"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda folder: shutil.rmtree(folder), "there is no folder"),
        (
            lambda folder: (folder / "detector.ckpt").unlink(),
            r"echecker_clotho_audiocaps_base\.ckpt",
        ),
        (lambda folder: shutil.rmtree(folder / "sentences"), "paraphrase-TinyBERT-L6-v2"),
        (lambda folder: shutil.rmtree(folder / "base"), "bert-base-uncased"),
        (
            lambda folder: shutil.copytree(folder / "base", folder / "more"),
            r"several \(base, more\)",
        ),
        (lambda folder: torch.save({"x": torch.ones(1)}, folder / "detector.ckpt"), "no clf.bias"),
        (lambda folder: (folder / "detector.ckpt").write_bytes(b"x"), "detector.ckpt"),
        (
            lambda folder: torch.save({"clf.bias": torch.ones(5)}, folder / "detector.ckpt"),
            "keys are missing",
        ),
    ],
)
def test_folders_that_do_not_fit(
    change: Callable[[Path], object], message: str, copied: Path
) -> None:
    change(copied)
    with pytest.raises(DataError, match=message):
        judge(SAID, ASKED, copied)
