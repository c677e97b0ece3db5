"""A captioner that runs: window vectors into sentences."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from soundseek.bundle.captioning.decoding import Decoding, Search, run_searches
from soundseek.bundle.captioning.networks import CaptionNetworks, Memory
from soundseek.bundle.captioning.rules import Rules
from soundseek.bundle.captioning.schema import TOKENIZER_FILE, CaptionerManifest
from soundseek.bundle.captioning.searches import BeamSearch, GreedySearch, NucleusSearch
from soundseek.bundle.captioning.words import WordTree
from soundseek.bundle.check import check_hashes
from soundseek.bundle.tokenizer_file import open_tokenizer
from soundseek.errors import AudioError, QueryError

if TYPE_CHECKING:
    from tokenizers import Tokenizer

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]

# Clips whose captions are searched for together.
_BATCH = 16


class Caption(NamedTuple):
    """A sentence about a sound, and the mean log-probability of its tokens (0 is certain)."""

    text: str
    score: float


class Captioner:
    """A small model that writes a sentence from the window vectors that a bundle makes.

    Open one with `soundseek.load_captioner`.

    Attributes:
        folder: where the captioner is.
        manifest: the content of captioner.json.
        name: the captioner's name.
        fingerprint: SHA-256 of captioner.json, which covers all of the captioner.
        hears: the fingerprint of the bundle whose vectors it reads.
        decoding: how captions are searched for unless told otherwise.
    """

    def __init__(
        self,
        folder: Path,
        manifest: CaptionerManifest,
        *,
        fingerprint: str,
        threads: int | None = None,
    ) -> None:
        """Nothing is opened yet; see `load_captioner` for `threads`."""
        self.folder = folder
        self.manifest = manifest
        self.name = manifest.name
        self.fingerprint = fingerprint
        self.hears = manifest.hears.fingerprint
        defaults = manifest.decoding
        self.decoding = Decoding(
            beams=defaults.beams,
            min_tokens=defaults.min_tokens,
            max_tokens=defaults.max_tokens,
            no_repeat_ngram=defaults.no_repeat_ngram,
            length_penalty=defaults.length_penalty,
        )
        self._networks = CaptionNetworks(folder, threads)
        self._words: tuple[frozenset[str], WordTree] | None = None

    def __repr__(self) -> str:
        return f"Captioner({self.name!r}, hears {self.manifest.hears.name!r})"

    def caption(
        self, windows: Sequence[FloatArray], decoding: Decoding | None = None
    ) -> list[Caption]:
        """Return a caption for each clip.

        `windows[i]` are the vectors [n_windows, dimension] of clip i, as
        `bundle.encode_audio(..., windows=True)` gives them; of a clip of more than
        `manifest.most_windows`, so many are read (see `evenly`). What a clip is called does not
        depend on the others in the call (scores agree up to float32's rounding): only clips of the
        same length share a batch, unpadded.

        Raises `AudioError` for a clip without windows, or with vectors of another bundle or that
        are not finite; `QueryError` for a `decoding` that the captioner cannot follow.
        """
        decoding = self.decoding if decoding is None else decoding
        if decoding.max_tokens > self.manifest.text.max_tokens:
            raise QueryError(
                f"captions of {decoding.max_tokens} tokens are beyond {self.name}",
                remedy=f"allow at most {self.manifest.text.max_tokens}, or start from its own "
                "settings: dataclasses.replace(captioner.decoding, ...)",
            )
        rules = Rules(decoding, self.manifest.text, self._tree(decoding.vocabulary))
        clips = [self._read(vectors, index) for index, vectors in enumerate(windows)]
        # Clips of one length go together, so that nothing is padded.
        order = sorted(range(len(clips)), key=lambda index: len(clips[index]))
        captions: dict[int, Caption] = {}
        start = 0
        while start < len(order):
            length = len(clips[order[start]])
            batch = [i for i in order[start : start + _BATCH] if len(clips[i]) == length]
            texts = self._captions(np.stack([clips[i] for i in batch]), decoding, rules)
            captions.update(zip(batch, texts, strict=True))
            start += len(batch)
        return [captions[index] for index in range(len(clips))]

    def unusable_words(self, words: Iterable[str]) -> list[str]:
        """Return those of `words` that captions cannot contain: the tokenizer has nothing for
        them."""
        return WordTree(self._tokenizer, words).unusable

    def verify(self) -> None:
        """Read every file of the captioner, compare its hash, and write one caption.

        Raises `BundleError` naming what is missing, altered or does not fit.
        """
        check_hashes(self.folder, self.manifest)
        self.caption([np.zeros((1, self.manifest.hears.dimension), dtype=np.float32)])

    def _read(self, vectors: FloatArray, index: int) -> FloatArray:
        array = np.asarray(vectors)
        dimension = self.manifest.hears.dimension
        if array.ndim != 2 or len(array) == 0 or array.shape[1] != dimension:
            raise AudioError(
                f"clip {index} has window vectors of shape {array.shape} instead of "
                f"[n, {dimension}]",
                remedy=f"embed it with {self.manifest.hears.name}: "
                "bundle.encode_audio([path], windows=True)",
            )
        if not np.isfinite(array).all():
            raise AudioError(f"clip {index} has window vectors that are not finite")
        return array[evenly(len(array), self.manifest.most_windows)].astype(np.float32)

    def _captions(self, vectors: FloatArray, decoding: Decoding, rules: Rules) -> list[Caption]:
        memory = self._networks.memory(vectors)
        text = self.manifest.text
        known = max(text.begin, text.end, text.pad) + 1

        def step(ids: IntArray, clips: IntArray) -> FloatArray:
            of_rows = Memory(memory.states[clips], memory.mask[clips])
            return self._networks.logits(ids, of_rows, known)

        searches = [_search(clip, decoding, rules) for clip in vectors]
        found = run_searches(searches, step, text.begin)
        return [Caption(self._text(written.ids), written.mean) for written in found]

    def _text(self, ids: Sequence[int]) -> str:
        words = [token for token in ids if token != self.manifest.text.end]
        return " ".join(self._tokenizer.decode(words, skip_special_tokens=True).split())

    def _tree(self, vocabulary: frozenset[str] | None) -> WordTree | None:
        if vocabulary is None:
            return None
        if self._words is None or self._words[0] != vocabulary:
            self._words = vocabulary, WordTree(self._tokenizer, vocabulary)
        tree = self._words[1]
        if tree.is_empty:
            raise QueryError(
                f"{self.name} can write none of the {len(vocabulary)} words that are allowed",
                remedy="allow words that it has learnt, such as rain, dog, a, the",
            )
        return tree

    @cached_property
    def _tokenizer(self) -> Tokenizer:
        return open_tokenizer(self.folder / TOKENIZER_FILE)


def evenly(count: int, most: int) -> IntArray:
    """Return which of `count` windows represent a clip: all, or `most` of them spread evenly.

    With more than `most`, the clip is cut into `most` equal parts and the window in the middle of
    each is taken.
    """
    if count <= most:
        return np.arange(count, dtype=np.int64)
    return (2 * np.arange(most, dtype=np.int64) + 1) * count // (2 * most)


def _search(clip: FloatArray, decoding: Decoding, rules: Rules) -> Search:
    if decoding.method == "nucleus":
        # From the sound itself: what is drawn for it must not depend on its place in a call.
        mark = int.from_bytes(hashlib.sha256(clip.tobytes()).digest()[:16])
        generator = np.random.default_rng([decoding.seed, mark])
        return NucleusSearch(rules, decoding.top_p, decoding.temperature, generator)
    if decoding.method == "greedy" or decoding.beams == 1:
        return GreedySearch(rules)
    return BeamSearch(rules, decoding.beams, decoding.length_penalty)
