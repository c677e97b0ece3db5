"""Translators for back translation that run offline: Marian models and Argos Translate.

Both are imported when the first text is translated: where every translation is in the cache
already, neither need be installed. Neither samples, so that a text always gives the same.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any

from soundseek.errors import DataError, RecipeError

_INSTALL = "pip install 'soundseek[translate]'"


class MarianTranslator:
    """Sequence-to-sequence models of one direction each, such as the public OPUS-MT ones.

    Junczys-Dowmunt et al. 2018, "Marian"; Tiedemann & Thottingal 2020, "OPUS-MT". Beam search
    without sampling.
    """

    def __init__(
        self,
        models: str = "Helsinki-NLP/opus-mt-{source}-{target}",
        *,
        beams: int = 4,
        max_tokens: int = 128,
        device: str = "cpu",
    ) -> None:
        """`models`: hub names or folders, with {source} and {target} in the place of the codes.

        Raises `RecipeError` when these places are missing.
        """
        if "{source}" not in models or "{target}" not in models:
            raise RecipeError(
                f"translation models {models!r} name the same model for every direction",
                remedy="write {source} and {target} where the language codes stand",
            )
        self._models = models
        self._beams = beams
        self._max_tokens = max_tokens
        self._device = device
        self._loaded: dict[str, tuple[Any, Any]] = {}

    @property
    def name(self) -> str:
        """Models and search settings: what decides a translation."""
        return f"marian {self._models} beams={self._beams} max_tokens={self._max_tokens}"

    def translate(self, texts: Sequence[str], source: str, target: str) -> list[str]:
        """Translate one batch. Raises `DataError` when a model or a library is missing."""
        if not texts:
            return []
        import torch

        tokenizer, model = self._direction(source, target)
        limit = self._max_tokens
        tokens = tokenizer(
            list(texts), return_tensors="pt", padding=True, truncation=True, max_length=limit
        ).to(self._device)
        with torch.inference_mode():
            ids = model.generate(
                input_ids=tokens["input_ids"],
                attention_mask=tokens["attention_mask"],
                num_beams=self._beams,
                do_sample=False,
                max_length=limit,
            )
        decoded: list[str] = tokenizer.batch_decode(ids, skip_special_tokens=True)
        return [text.strip() for text in decoded]

    def _direction(self, source: str, target: str) -> tuple[Any, Any]:
        place = self._models.format(source=source, target=target)
        if place not in self._loaded:
            self._loaded[place] = _seq2seq(place, self._device)
        return self._loaded[place]


class ArgosTranslator:
    """Argos Translate (OpenNMT models in packages, one a direction)."""

    name = "argos"

    def translate(self, texts: Sequence[str], source: str, target: str) -> list[str]:
        """Translate texts. Raises `DataError` when the library or a package is missing."""
        try:
            argos = importlib.import_module("argostranslate.translate")
        except ImportError as error:
            raise DataError("Argos Translate is not installed", remedy=_INSTALL) from error
        languages = {language.code: language for language in argos.get_installed_languages()}
        first, second = languages.get(source), languages.get(target)
        way = first.get_translation(second) if first is not None and second is not None else None
        if way is None:
            raise DataError(
                f"Argos Translate has no package {source} → {target}",
                remedy=f"argospm install translate-{source}_{target}",
            )
        return [str(way.translate(text)).strip() for text in texts]


def _seq2seq(place: str, device: str) -> tuple[Any, Any]:
    try:
        from transformers import AutoModelForSeq2SeqLM, AutoTokenizer
    except ImportError as error:
        raise DataError("transformers is not installed", remedy=_INSTALL) from error
    try:
        tokenizer = AutoTokenizer.from_pretrained(place)
        model, report = AutoModelForSeq2SeqLM.from_pretrained(place, output_loading_info=True)
    except OSError as error:
        raise DataError(
            f"no translation model at {place}: {str(error).splitlines()[0]}",
            remedy="download it where there is a network and give the folders that hold it",
        ) from error
    except (ImportError, ValueError) as error:
        raise DataError(
            f"the translation model {place} cannot be opened: {error}", remedy=_INSTALL
        ) from error
    missing = sorted(report["missing_keys"])
    if missing:
        raise DataError(
            f"the translation model {place} lacks {len(missing)} weights, the first is {missing[0]}"
        )
    return tokenizer, model.eval().to(device)
