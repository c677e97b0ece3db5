"""The texts that a text tower learns from, and those that its figures are computed on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from soundseek.errors import DataError
from soundseek.lab.augment.wordnet import WordNet
from soundseek.lab.augment.wordnet_entries import Word, sentences, words
from soundseek.lab.data.manifest import read_clips_jsonl, select
from soundseek.lab.data.texts import joined_pairs, read_captions_csv, short_spans, unique
from soundseek.lab.teachers.yamnet import class_names
from soundseek.lab.words.phrases import framed, ordered_and_denied
from soundseek.lab.words.recipe import WordsRecipe
from soundseek.lab.words.swaps import swapped_captions
from soundseek.text.normalise import normalise_caption

_FRAMES_A_NAME = 8
_SHORT = 40  # characters: such a caption can stand within a phrase


@dataclass(frozen=True)
class HeldOut:
    """Captions of one file that nothing is learnt from. `owners` int64 `[captions]`: which row of
    the file, and so which clip, each belongs to."""

    captions: list[str]
    owners: np.ndarray


@dataclass(frozen=True)
class Corpus:
    """`texts`: sorted, each once; no normalised text of theirs is that of a held-out one."""

    texts: list[str]
    held_out: dict[str, HeldOut]


def read_corpus(recipe: WordsRecipe) -> Corpus:
    """Read, draw and make all texts: the same ones for one recipe and one state of the files.

    Raises `DataError` for missing files and for a recipe that comes to no texts at all.
    """
    folder = Path(recipe.data.folder)
    held_out = {
        name: _held_out(folder / file) for name, file in sorted(recipe.data.held_out.items())
    }
    learnt, others = _clip_captions(recipe)
    hidden = {normalise_caption(text) for one in held_out.values() for text in one.captions}
    hidden |= {normalise_caption(text) for text in others}
    hidden.add("")
    read = [text for file in recipe.data.captions for text in read_captions_csv(folder / file)]
    captions, own = _without(hidden, [*learnt, *read]), _without(hidden, learnt)
    made = _made(recipe, captions, own or captions) if captions else []
    texts = _without(hidden, [*captions, *made])
    if not texts:
        raise DataError(
            f"{folder}: the recipe comes to no texts", remedy="set data.captions or data.clips"
        )
    return Corpus(texts, held_out)


def _without(hidden: set[str], texts: Iterable[str]) -> list[str]:
    """The texts in one line each, sorted, without those that are hidden or say nothing."""
    lines = unique(" ".join(text.split()) for text in texts)
    return [text for text in lines if normalise_caption(text) not in hidden]


def _held_out(path: Path) -> HeldOut:
    import csv

    captions = [" ".join(text.split()) for text in read_captions_csv(path)]
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    names = [name for name in rows[0] if name == "caption" or name.startswith("caption_")]
    # Rows of one clip stand apart where each row has one caption.
    keys = [next(iter(row.values())) if len(names) > 1 else _clip_of(row) for row in rows]
    numbers = {key: i for i, key in enumerate(dict.fromkeys(keys))}
    owners = [
        numbers[key]
        for key, row in zip(keys, rows, strict=True)
        for name in names
        if (row[name] or "").strip()
    ]
    return HeldOut(captions, np.array(owners, np.int64))


def _clip_of(row: dict[str, str]) -> str:
    """What names the clip of a row with one caption: all but the caption and the row's own id."""
    kept = [value for name, value in row.items() if name not in ("caption", "audiocap_id")]
    return "\n".join(kept) or row["caption"]


def _clip_captions(recipe: WordsRecipe) -> tuple[list[str], list[str]]:
    """Captions of the training clips, and those of all other clips."""
    if recipe.data.clips is None:
        return [], []
    clips = read_clips_jsonl(Path(recipe.data.folder) / recipe.data.clips)
    quality = recipe.data.min_caption_quality
    chosen = select(clips, split="train", tiers=recipe.data.tiers, min_quality=quality)
    others = [clip for clip in clips if clip.split != "train"]
    return (
        [caption for clip in chosen for caption in clip.captions],
        [caption for clip in others for caption in clip.captions],
    )


def _made(recipe: WordsRecipe, captions: list[str], own: list[str]) -> list[str]:
    wanted = recipe.texts

    def rng(part: int) -> np.random.Generator:
        # A generator a sort: more of one sort changes nothing about the others.
        return np.random.default_rng((recipe.seed, part))

    names: list[str] = []
    if recipe.data.class_names is not None:
        names = [n.lower() for n in class_names(Path(recipe.data.folder) / recipe.data.class_names)]
    known: list[Word] = []
    definitions: list[str] = []
    examples: list[str] = []
    if wanted.needs_wordnet:
        database = WordNet.find(recipe.data.wordnet).folder
        known = list(words(database))
        definitions, examples = sentences(database)
    lemmas = unique(word.lemma for word in known)
    nouns = unique(w.lemma for w in known if w.known and w.kind[0] == "noun")
    short = unique([*(text for text in own if len(text) <= _SHORT), *names])
    return [
        *names,
        *framed(names or captions, _FRAMES_A_NAME * len(names), rng(0)),
        *joined_pairs(own, wanted.joined, rng(1)),
        *short_spans(captions, wanted.spans, rng(2)),
        *framed([*short, *nouns] or captions, wanted.framed, rng(3)),
        *ordered_and_denied(short or captions, wanted.ordered, rng(4)),
        *swapped_captions(captions, known, wanted.swapped, rng(5)),
        *_drawn(lemmas, wanted.words, rng(6)),
        *_drawn(definitions, wanted.definitions, rng(7)),
        *_drawn(examples, wanted.examples, rng(8)),
    ]


def _drawn(texts: list[str], n: int, rng: np.random.Generator) -> list[str]:
    """`n` of the texts, or all where there are no more."""
    return [texts[i] for i in rng.permutation(len(texts))[:n]]
