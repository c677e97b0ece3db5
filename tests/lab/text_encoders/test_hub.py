from __future__ import annotations

import json
import logging
import os
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

import transformers
from tokenizers import Tokenizer

from soundseek.errors import DataError
from soundseek.lab.text_encoders import create_text_encoder, hub
from support.tiny_models import TEXTS, bert, edited, saved

pytestmark = pytest.mark.lab


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return saved(bert(), tmp_path)


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """No network, and an empty cache; returns it."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def in_cache(cache: Path, name: str, folder: Path) -> None:
    """Put a folder into the cache, as a download would."""
    repository = cache / f"models--{name.replace('/', '--')}"
    snapshot = repository / "snapshots" / "abc"
    snapshot.parent.mkdir(parents=True)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("abc")
    snapshot.symlink_to(folder, target_is_directory=True)


def test_offline_says_what_is_missing_and_where_to_put_it(offline: Path) -> None:
    with pytest.raises(DataError) as caught:
        create_text_encoder(
            "bert",
            model="google-bert/bert-base-uncased",
            weights="pretrained",
            texts=(),
            max_tokens=8,
        )
    message = str(caught.value)
    for part in (
        "'google-bert/bert-base-uncased'",
        "config.json",
        str(offline),
        "hf download google-bert/bert-base-uncased --local-dir FOLDER",
    ):
        assert part in message


def test_a_path_that_is_not_there_is_no_hub_name(offline: Path) -> None:
    with pytest.raises(DataError, match="'/no/such/place' is no folder here"):
        hub.read_config("/no/such/place")


def test_what_is_in_the_cache_needs_no_network(offline: Path, tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    folder = saved(bert(), tmp_path / "model")
    in_cache(offline, "some/tiny-bert", folder)
    encoder = create_text_encoder(
        "bert", model="some/tiny-bert", weights="pretrained", texts=(), max_tokens=8
    )
    assert encoder.width == 16
    assert hub.find("some/tiny-bert", "pytorch_model.bin", "model.safetensors") is not None


def test_a_missing_file_is_named(folder: Path) -> None:
    assert hub.find(str(folder), "other.json", "config.json") == folder / "config.json"
    assert hub.find(str(folder), "other.json") is None
    (folder / "model.safetensors").unlink()
    with pytest.raises(DataError, match=r"has no model\.safetensors or pytorch_model\.bin"):
        hub.read_tensors(str(folder))
    (folder / "config.json").unlink()
    with pytest.raises(DataError, match=r"has no config\.json"):
        hub.read_config(str(folder))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "cannot be read"),
        ("[]", "of no model that transformers"),
        ('{"model_type": "brt"}', "model_type 'brt'"),
        ('{"model_type": "bert", "hidden_size": "wide"}', "is no configuration of bert"),
    ],
)
def test_a_config_that_is_none(text: str, message: str, folder: Path) -> None:
    (folder / "config.json").write_text(text)
    with pytest.raises(DataError, match=message):
        hub.read_config(str(folder))


def test_every_field_of_a_config_is_kept(folder: Path) -> None:
    document = json.loads(hub.config_json(hub.read_config(str(folder))))
    assert document["model_type"] == "bert"
    assert document["hidden_act"] == "gelu"  # a default


def test_a_vocabulary_alone_makes_a_tokenizer(folder: Path) -> None:
    whole = Tokenizer.from_str(hub.read_tokenizer(str(folder)))
    words = sorted(whole.get_vocab().items(), key=lambda item: item[1])
    (folder / "tokenizer.json").unlink()
    with pytest.raises(DataError, match=r"has no tokenizer\.json"):
        hub.read_tokenizer(str(folder))
    (folder / "vocab.txt").write_text("".join(f"{word}\n" for word, _ in words))
    edited(folder, "tokenizer_config.json", tokenizer_class="BertTokenizer", do_lower_case=True)
    made = Tokenizer.from_str(hub.read_tokenizer(str(folder)))
    for text in (*TEXTS, "RAIN and zebras"):
        assert made.encode(text).ids == whole.encode(text).ids


def test_an_index_that_is_none(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors.index.json").write_text('{"weights": 1}')
    with pytest.raises(DataError, match="lists no files"):
        hub.read_tensors(str(folder))


def test_transformers_is_silent_and_afterwards_as_before(
    folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    talk = transformers.utils.logging
    before = talk.get_verbosity()
    try:
        talk.set_verbosity_info()
        talk.enable_progress_bar()
        create_text_encoder(
            "bert",
            model=str(folder),
            weights="pretrained",
            texts=(),
            max_tokens=8,
            options={"cross_attention": True},
        )
        printed = capfd.readouterr()
        assert printed.out == ""
        assert "Loading" not in printed.err
        assert "is_decoder" not in printed.err
        assert talk.get_verbosity() == logging.INFO
        assert talk.is_progress_bar_enabled()
        with hub.quiet():
            assert talk.get_verbosity() > logging.ERROR
            assert not talk.is_progress_bar_enabled()
        assert talk.get_verbosity() == logging.INFO
        assert talk.is_progress_bar_enabled()
    finally:
        talk.set_verbosity(before)


def test_our_own_warnings_are_heard_inside_quiet() -> None:
    with pytest.warns(UserWarning, match="ours"), hub.quiet():
        warnings.warn("ours", UserWarning, stacklevel=1)


def test_without_transformers_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(DataError, match=r"pip install 'soundseek\[lab\]'"):
        hub.transformers_library()


def test_the_table_loads_no_transformers() -> None:
    import subprocess

    code = (
        "import sys\n"
        "from soundseek.lab.text_encoders import TEXT_ENCODERS, text_encoder_class\n"
        "[text_encoder_class(name) for name in sys.argv[1:]]\n"
        "print('transformers' in sys.modules)"
    )
    names: Any = ["bert", "roberta", "sentence_transformer", "clap", "small_transformer"]
    run = subprocess.run(
        [sys.executable, "-c", code, *names],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert run.stdout.strip() == "False"
