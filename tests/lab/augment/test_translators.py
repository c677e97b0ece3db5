from __future__ import annotations

import json
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("torch")

import torch

from soundseek.errors import DataError, RecipeError
from soundseek.lab.augment.back_translation import TranslationCache, back_translated
from soundseek.lab.augment.translators import ArgosTranslator, MarianTranslator

pytestmark = pytest.mark.lab

_WORDS = ("<pad>", "</s>", "<unk>", "rain", "wind", "bells", "ring", "loudly", "far", "away")


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Two tiny Marian models of random weights, en-de and de-en, with a tokenizer of ten words."""
    transformers = pytest.importorskip("transformers")
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import WhitespaceSplit

    folder = tmp_path_factory.mktemp("models")
    vocabulary = {word: number for number, word in enumerate(_WORDS)}
    tokenizer = Tokenizer(WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = WhitespaceSplit()
    fast = transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", eos_token="</s>", unk_token="<unk>"
    )
    sizes = dict.fromkeys(("encoder_layers", "decoder_layers"), 1)
    sizes |= dict.fromkeys(("encoder_attention_heads", "decoder_attention_heads"), 2)
    sizes |= dict.fromkeys(("encoder_ffn_dim", "decoder_ffn_dim"), 16)
    config = transformers.MarianConfig(
        vocab_size=len(_WORDS),
        d_model=8,
        max_position_embeddings=32,
        pad_token_id=0,
        eos_token_id=1,
        forced_eos_token_id=1,
        decoder_start_token_id=0,
        init_std=1.0,
        **sizes,
    )
    for number, name in enumerate(("en-de", "de-en")):
        torch.manual_seed(number)
        model = transformers.MarianMTModel(config)
        model.generation_config.bad_words_ids = [[0]]
        model.save_pretrained(folder / name)
        fast.save_pretrained(folder / name)
    return str(folder / "{source}-{target}")


def test_marian_translates_each_text_for_itself(models: str) -> None:
    translator = MarianTranslator(models, beams=2, max_tokens=12)
    texts = ["rain", "wind far away", "bells ring loudly far away"]
    together = translator.translate(texts, "en", "de")
    assert len(together) == 3
    assert all(set(text.split()) <= set(_WORDS[2:]) for text in together)
    assert any(together)
    assert [translator.translate([text], "en", "de")[0] for text in texts] == together
    assert MarianTranslator(models, beams=2, max_tokens=12).translate(texts, "en", "de") == together
    assert translator.translate(texts, "de", "en") != together
    assert translator.translate([], "en", "de") == []


def test_marian_and_the_cache(models: str, tmp_path: Path) -> None:
    translator = MarianTranslator(models, beams=1, max_tokens=8)
    cache = TranslationCache(tmp_path / "translations.db")
    variants = back_translated(["rain", "wind far"], translator, cache, languages=("de",))
    there = cache.find(translator.name, "en", "de", ["rain", "wind far"])
    assert set(there) == {"rain", "wind far"}
    absent = MarianTranslator(models, beams=1, max_tokens=8)
    absent._direction = None  # type: ignore[assignment, method-assign]
    assert back_translated(["rain", "wind far"], absent, cache, languages=("de",)) == variants


def test_the_name_tells_models_and_search() -> None:
    names = {
        MarianTranslator(beams=beams, max_tokens=limit).name for beams in (1, 4) for limit in (9, 8)
    }
    assert len(names) == 4
    assert all("opus-mt" in name for name in names)


def test_a_missing_model_is_named(tmp_path: Path) -> None:
    pytest.importorskip("transformers")
    translator = MarianTranslator(str(tmp_path / "{source}-{target}"))
    with pytest.raises(DataError, match=r"en-fr"):
        translator.translate(["rain"], "en", "fr")


def test_missing_weights_are_named(models: str, tmp_path: Path) -> None:
    """A model that lacks some is refused: they would be random."""
    from safetensors.torch import load_file, save_file

    source, target = Path(models.format(source="en", target="de")), tmp_path / "en-de"
    target.mkdir()
    for path in source.iterdir():
        (target / path.name).write_bytes(path.read_bytes())
    weights = load_file(target / "model.safetensors")
    del weights["model.encoder.layers.0.fc1.weight"]
    save_file(weights, target / "model.safetensors", {"format": "pt"})
    with pytest.raises(DataError, match=r"lacks 1 weights.*layers\.0\.fc1\.weight"):
        MarianTranslator(str(tmp_path / "{source}-{target}")).translate(["rain"], "en", "de")


def test_an_unknown_kind_of_model_is_named(tmp_path: Path) -> None:
    pytest.importorskip("transformers")
    (tmp_path / "en-de").mkdir()
    (tmp_path / "en-de" / "config.json").write_text(json.dumps({"model_type": "nothing-known"}))
    with pytest.raises(DataError, match="en-de"):
        MarianTranslator(str(tmp_path / "{source}-{target}")).translate(["rain"], "en", "de")


def test_one_model_for_all_directions_is_refused() -> None:
    with pytest.raises(RecipeError, match=r"'models/en-de' name the same model"):
        MarianTranslator("models/en-de")


@pytest.mark.parametrize("module", ["transformers", "argostranslate"])
def test_a_missing_library_says_what_to_install(
    module: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (module, f"{module}.translate"):
        monkeypatch.setitem(sys.modules, name, None)
    translator: Any = MarianTranslator() if module == "transformers" else ArgosTranslator()
    with pytest.raises(DataError, match=r"(?s)not installed.*soundseek\[translate\]"):
        translator.translate(["rain"], "en", "de")


def test_argos(monkeypatch: pytest.MonkeyPatch) -> None:
    """Through the calls of its public interface."""

    class Language:
        def __init__(self, code: str) -> None:
            self.code = code

        def get_translation(self, to: Language) -> SimpleNamespace | None:
            if to.code == "fr":
                return None
            return SimpleNamespace(translate=lambda text: f" {self.code}>{to.code} {text} ")

    module: Any = ModuleType("argostranslate.translate")
    module.get_installed_languages = lambda: [Language("en"), Language("de"), Language("fr")]
    monkeypatch.setitem(sys.modules, "argostranslate", ModuleType("argostranslate"))
    monkeypatch.setitem(sys.modules, "argostranslate.translate", module)
    translator = ArgosTranslator()
    assert translator.translate(["rain", "wind"], "en", "de") == ["en>de rain", "en>de wind"]
    for target in ("fr", "es"):
        with pytest.raises(DataError, match=f"no package en → {target}.*\n.*translate-en_{target}"):
            translator.translate(["rain"], "en", target)
