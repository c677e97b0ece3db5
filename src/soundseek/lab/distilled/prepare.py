"""What training needs before its first step: decoded clips, texts, and the teachers' knowledge.

All of it is cached in the run's cache folder and derived from the recipe alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from soundseek.audio.frontends import PRESETS
from soundseek.errors import DataError
from soundseek.lab.data.manifest import Clip, read_clips_jsonl, select
from soundseek.lab.data.texts import joined_pairs, read_captions_csv, short_spans, unique
from soundseek.lab.data.waveforms import WaveformStore, open_store
from soundseek.lab.distilled.heads import class_weights, normalised_anchors
from soundseek.lab.distilled.items import Captions
from soundseek.lab.distilled.recipe import Recipe
from soundseek.lab.frontends import FrontEnd
from soundseek.lab.teachers.anchored import AnchoredTeacher, HeardClips, TeacherFit, fit_teacher
from soundseek.lab.teachers.minilm import MiniLm
from soundseek.lab.teachers.yamnet import PATCH_FRAMES, Yamnet, class_names, load_yamnet, patches_of
from soundseek.lab.text_encoders.tokenizer import train_tokenizer

_LEAST_TAIL = 0.25  # of a patch: a shorter tail of a clip is not given to the teacher alone


@dataclass(frozen=True)
class Prepared:
    """Everything that the training loop draws on."""

    clips: list[Clip]
    store: WaveformStore
    captions: Captions
    validation: list[Clip]
    validation_store: WaveformStore
    texts: list[str]
    text_vectors: NDArray[np.float32]
    tokenizer_json: str
    anchors: Tensor
    yamnet: Yamnet
    teacher: AnchoredTeacher


def prepare(recipe: Recipe, cache: Path, say: Callable[[str], None]) -> Prepared:
    """Decode, listen, read and fit, in that order; `say` is told what is going on.

    Raises `DataError` for missing data, teachers, or tiers and splits without clips.
    """
    folder = Path(recipe.data.folder)
    every = read_clips_jsonl(folder / "clips.jsonl")
    clips = select(every, split="train", tiers=recipe.data.tiers)
    validation = select(every, split="validation", tiers=recipe.data.tiers, min_quality=2)
    if not clips or not validation:
        raise DataError(
            f"{folder}: no clips in tiers {', '.join(recipe.data.tiers)}",
            remedy="set data.tiers to tiers of clips.jsonl",
        )
    weights = folder / "weights" / "yamnet"
    yamnet = load_yamnet(weights / "yamnet.tflite")
    names = class_names(weights / "yamnet_class_map.csv")

    say(f"decoding {len(clips) + len(validation)} clips (once)")
    rate = PRESETS["yamnet_16k"].sample_rate
    store = open_store(clips, rate, cache)
    validation_store = open_store(validation, rate, cache)
    for clip_id, reason in (store.failures | validation_store.failures).items():
        say(f"left out {clip_id}: {reason}")

    quality = recipe.data.min_caption_quality
    own = [clip.captions if clip.caption_quality >= quality else () for clip in clips]
    texts = _texts(recipe, own, names)
    say(f"reading {len(texts)} texts with the text teacher")
    vectors = _text_vectors(texts, cache)
    where = {text: i for i, text in enumerate(texts)}

    say("listening to every clip with the sound teacher")
    heard = listen(yamnet, store)
    _, scores = heard.whole()
    name_vectors = torch.from_numpy(vectors[[where[name.lower()] for name in names]])
    anchors = normalised_anchors(name_vectors, class_weights(scores.mean(0)))

    say("fitting the sound teacher to the captions")
    ids = {group: i for i, group in enumerate(sorted({clip.group for clip in clips}))}
    groups = [ids[clip.group] for clip in clips]
    caption_vectors = [torch.from_numpy(vectors[[where[c] for c in texts_]]) for texts_ in own]
    teacher = fit_teacher(
        heard, caption_vectors, np.array(groups), anchors, TeacherFit(), seed=recipe.seed
    )
    return Prepared(
        clips=clips,
        store=store,
        captions=Captions(own, groups),
        validation=validation,
        validation_store=validation_store,
        texts=texts,
        text_vectors=vectors,
        tokenizer_json=train_tokenizer(texts, recipe.text.vocabulary),
        anchors=anchors,
        yamnet=yamnet,
        teacher=teacher,
    )


@torch.no_grad()
def listen(yamnet: Yamnet, store: WaveformStore, batch_patches: int = 256) -> HeardClips:
    """YAMNet over every clip of the store, in patches of 0.96 s without overlap."""
    spec = PRESETS["yamnet_16k"]
    frontend = FrontEnd(spec)
    hop = PATCH_FRAMES * spec.hop_samples
    overlap = spec.window_samples - spec.hop_samples
    pending: list[Tensor] = []
    embeddings, scores, counts = [], [], []

    def flush() -> None:
        if pending:
            with torch.autocast("cpu", dtype=torch.bfloat16):
                embedding, logits = yamnet(torch.cat(pending))
            embeddings.append(embedding.float())
            scores.append(logits.float().sigmoid())
            pending.clear()

    for i in range(len(store.offsets) - 1):
        waveform = store.read(i)
        n = max(1, int(np.ceil((len(waveform) - overlap) / hop - _LEAST_TAIL)))
        padded = np.zeros(n * hop + overlap, np.float32)
        padded[: min(len(waveform), len(padded))] = waveform[: len(padded)]
        pending.append(patches_of(frontend(torch.from_numpy(padded)[None]))[0])
        counts.append(n)
        if sum(map(len, pending)) >= batch_patches:
            flush()
    flush()
    offsets = np.concatenate([[0], np.cumsum(counts)])
    return HeardClips(torch.cat(embeddings), torch.cat(scores), offsets)


def _texts(recipe: Recipe, own: Sequence[Sequence[str]], names: Sequence[str]) -> list[str]:
    folder = Path(recipe.data.folder)
    captions = unique(caption for captions in own for caption in captions)
    if not captions:
        raise DataError(
            f"no clip has captions of quality {recipe.data.min_caption_quality} or more",
            remedy="lower data.min_caption_quality, or caption the clips",
        )
    read = [text for name in recipe.data.texts for text in read_captions_csv(folder / name)]
    rng = np.random.default_rng((recipe.seed, 0x7E87))
    pairs = joined_pairs(captions, recipe.data.joined_texts, rng)
    spans = short_spans(unique([*captions, *read]), recipe.data.short_texts, rng)
    return unique([*captions, *read, *pairs, *spans, *(name.lower() for name in names)])


def _text_vectors(texts: list[str], cache: Path) -> NDArray[np.float32]:
    identity = hashlib.sha256("\n".join(texts).encode()).hexdigest()[:12]
    path = cache / f"texts-{identity}.npy"
    if not path.exists():
        vectors = MiniLm().encode(texts)
        draft = path.with_suffix(".partial.npy")
        np.save(draft, vectors)
        draft.rename(path)
    stored: NDArray[np.float32] = np.load(path)
    return stored
