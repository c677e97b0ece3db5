"""What training needs before its first step: decoded clips, texts, and the teachers' knowledge.

What takes long is kept in a cache folder; all of it is derived from the recipe alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from soundseek.audio.frontends import PRESETS
from soundseek.errors import DataError
from soundseek.lab.data.locking import folder_lock
from soundseek.lab.data.manifest import Clip, read_clips_jsonl, select
from soundseek.lab.data.texts import unique
from soundseek.lab.data.waveforms import WaveformStore, open_store
from soundseek.lab.distilled.heads import class_weights, normalised_anchors
from soundseek.lab.distilled.lessons import Lessons, Validation
from soundseek.lab.distilled.plans import Captioned
from soundseek.lab.distilled.recipe import DataSection, Recipe
from soundseek.lab.frontends import FrontEnd
from soundseek.lab.run_folder import RunFolder
from soundseek.lab.teachers.anchored import HeardClips, TeacherFit, fit_teacher
from soundseek.lab.teachers.minilm import MiniLm
from soundseek.lab.teachers.yamnet import PATCH_FRAMES, Yamnet, class_names, load_yamnet, patches_of

_LEAST_TAIL = 0.25  # of a patch: a shorter tail of a clip is not given to the teacher alone


def cache_of(recipe: Recipe, folder: RunFolder) -> Path:
    """Where a run keeps what is derived from its data; it is made if it is not there."""
    cache = folder.cache_for(recipe.run.cache)
    cache.mkdir(parents=True, exist_ok=True)
    return cache


def training_clips(data: DataSection) -> list[Clip]:
    """The clips trained on, those of the split train alone: of the tiers, with captions where these
    are good enough, then the unlabelled ones, without.

    Raises `DataError` where the tiers or an unlabelled folder have none, or none has captions.
    """
    folder = Path(data.folder)
    clips = select(read_clips_jsonl(folder / "clips.jsonl"), split="train", tiers=data.tiers)
    if not clips:
        raise DataError(
            f"{folder}: no clips in tiers {', '.join(data.tiers)}",
            remedy="set data.tiers to tiers of clips.jsonl",
        )
    clips = [
        clip if clip.caption_quality >= data.min_caption_quality else replace(clip, captions=())
        for clip in clips
    ]
    if not any(clip.captions for clip in clips):
        raise DataError(
            f"no clip has captions of quality {data.min_caption_quality} or more",
            remedy="lower data.min_caption_quality, or caption the clips",
        )
    for more in data.unlabelled:
        unlabelled = select(read_clips_jsonl(Path(more) / "clips.jsonl"), split="train")
        if not unlabelled:
            raise DataError(
                f"{more}: no clips of the split train",
                remedy="take the folder out of data.unlabelled",
            )
        clips += [replace(clip, captions=()) for clip in unlabelled]
    return clips


def prepare(recipe: Recipe, cache: Path, say: Callable[[str], None]) -> Lessons:
    """Decode, listen, read and fit, in that order; `say` is told what is going on.

    Raises `DataError` for missing data, teachers, or tiers and splits without clips.
    """
    folder = Path(recipe.data.folder)
    clips = training_clips(recipe.data)
    validation = select(
        read_clips_jsonl(folder / "clips.jsonl"),
        split="validation",
        tiers=recipe.data.tiers,
        min_quality=2,
    )
    if not validation:
        raise DataError(
            f"{folder}: no validation clips in tiers {', '.join(recipe.data.tiers)}",
            remedy="set data.tiers to tiers of clips.jsonl",
        )
    weights = folder / "weights" / "yamnet"
    yamnet = load_yamnet(weights / "yamnet.tflite")
    names = [name.lower() for name in class_names(weights / "yamnet_class_map.csv")]

    say(f"decoding {len(clips) + len(validation)} clips (once)")
    rate = PRESETS["yamnet_16k"].sample_rate
    store = open_store(clips, rate, cache)
    validation_store = open_store(validation, rate, cache)
    for clip_id, reason in (store.failures | validation_store.failures).items():
        say(f"left out {clip_id}: {reason}")
    validation, validation_store = validation_store.without_failures(validation)

    own = unique(caption for clip in clips for caption in clip.captions)
    asked = unique(caption for clip in validation for caption in clip.captions)
    texts = unique([*own, *names, *asked])
    say(f"reading {len(texts)} texts with the text teacher")
    vectors = _text_vectors(texts, cache)
    where = {text: i for i, text in enumerate(texts)}

    say("listening to every clip with the sound teacher")
    heard = listen(yamnet, store)
    _, scores = heard.whole()
    name_vectors = torch.from_numpy(vectors[[where[name] for name in names]])
    anchors = normalised_anchors(name_vectors, class_weights(scores.mean(0)))

    say("fitting the sound teacher to the captions")
    ids = {group: i for i, group in enumerate(sorted({clip.group for clip in clips}))}
    groups = [ids[clip.group] for clip in clips]
    rows = [[where[caption] for caption in clip.captions if caption] for clip in clips]
    caption_vectors = [torch.from_numpy(vectors[own_rows]) for own_rows in rows]
    teacher = fit_teacher(
        heard, caption_vectors, np.array(groups), anchors, TeacherFit(), seed=recipe.seed
    )
    return Lessons(
        samples=store.samples,
        offsets=store.offsets,
        captioned=Captioned.of(rows, groups),
        vectors=torch.from_numpy(vectors),
        anchors=anchors,
        yamnet=yamnet,
        teacher=teacher,
        validation=Validation(
            validation, validation_store, {text: vectors[where[text]] for text in asked}
        ),
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


def _text_vectors(texts: Sequence[str], cache: Path) -> NDArray[np.float32]:
    identity = hashlib.sha256("\n".join(texts).encode()).hexdigest()[:12]
    path = cache / f"texts-{identity}.npy"
    if not path.exists():
        # Several runs may share the folder: the first of them reads, the others wait for it.
        with folder_lock(cache, f"{path.stem}.lock", wait=True):
            if not path.exists():
                vectors = MiniLm().encode(list(texts))
                draft = path.with_suffix(".partial.npy")
                np.save(draft, vectors)
                draft.rename(path)
    stored: NDArray[np.float32] = np.load(path)
    return stored
