"""What a captioner learns from: clips decoded, and, for a frozen encoder, heard once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from soundseek.errors import DataError
from soundseek.lab.captioning.events import event_steps
from soundseek.lab.captioning.heard import heard_file, heard_once, weights_mark
from soundseek.lab.captioning.hearing import with_events
from soundseek.lab.captioning.model import CaptioningModel
from soundseek.lab.captioning.recipe import CaptioningRecipe
from soundseek.lab.data.manifest import Clip
from soundseek.lab.progress import now_and_then
from soundseek.lab.retrieval.batches import Sounds
from soundseek.lab.retrieval.sequences import SoundSequences
from soundseek.lab.training.decoded import decoded_part, tell_left_out

Say = Callable[[str], None]


@dataclass(frozen=True)
class Part:
    """Clips of one split. `heard` is what a frozen encoder makes of them, `events` what a tagger
    hears at the same steps; without `heard`, `sounds` are heard in every batch.

    `unreadable`: id → reason of clips that were left out when they were decoded or heard. Behind
    the clips of sounds stand those of texts alone, in a part to learn from (`texts` of them);
    `sounds` are then not asked for.
    """

    clips: list[Clip]
    sounds: Sounds
    heard: SoundSequences | None
    events: SoundSequences | None = None
    form: str = "probabilities"
    texts: int = 0
    unreadable: Mapping[str, str] = field(default_factory=dict)

    @property
    def left_out(self) -> dict[str, str]:
        """Id → reason of clips that could not be read, up to now."""
        return {**self.unreadable, **self.sounds.store.failures}

    def steps(self, clips: Sequence[int]) -> tuple[Tensor, Tensor]:
        """What was heard of clips: steps `[n, longest, width]` and their mask."""
        assert self.heard is not None
        sequence, mask = self.heard.batch(clips)
        if self.events is None:
            return sequence, mask
        probabilities, _ = self.events.batch(clips)
        return with_events(sequence, mask, probabilities, self.form), mask


def prepare_part(
    name: str,
    clips: list[Clip],
    recipe: CaptioningRecipe,
    model: CaptioningModel,
    cache: Path,
    say: Say,
) -> Part:
    """Decode a part once, unless the recipe decodes when needed, and let a frozen encoder hear it.

    Clips that cannot be read are named and left out. Raises `DataError` when none can be read.
    """
    encoder, tower = model.audio.audio_encoder, model.audio
    clips, store, unreadable = decoded_part(
        name, clips, encoder.sample_rate, recipe.run, cache, say
    )
    most = round(recipe.audio.max_s * encoder.sample_rate)
    sounds = Sounds.of(clips, store, least=tower.least_samples, most=most)
    if not recipe.audio.frozen:
        return Part(clips, sounds, None, unreadable=unreadable)

    def hear(waveforms: Tensor, samples: Tensor) -> tuple[Tensor, Tensor]:
        return model.hear(waveforms.to(model.device), samples.to(model.device))

    model.eval()
    say(f"hearing {len(clips)} clips of {name} (once)")
    heard, unread = heard_once(
        hear,
        clips,
        store,
        cache,
        what=_hearing(recipe, model),
        width=encoder.width,
        least=tower.least_samples,
        max_s=recipe.audio.max_s,
        on_progress=now_and_then(lambda line: say(f"hearing {name}: {line}")),
    )
    if unread:
        tell_left_out(name, unread, len(clips), say)
        clips, heard = _without(unread, clips, heard)
        unreadable = {**unreadable, **unread}
    if recipe.audio.events is None:
        return Part(clips, sounds, heard, unreadable=unreadable)
    say(f"sound events of {name} (once)")
    events = event_steps(
        clips,
        heard,
        recipe,
        encoder.seconds_per_step,
        cache,
        model.device,
        now_and_then(lambda line: say(f"sound events of {name}: {line}")),
    )
    return Part(clips, sounds, heard, events, recipe.audio.events.form, unreadable=unreadable)


def _without(
    unread: Mapping[str, str], clips: list[Clip], heard: SoundSequences
) -> tuple[list[Clip], SoundSequences]:
    kept = [i for i, clip in enumerate(clips) if clip.id not in unread]
    if not kept:
        raise DataError(
            f"none of {len(clips)} clips can be read; the first: {next(iter(unread.values()))}",
            remedy="check the corpus: soundseek data check MANIFEST --deep",
        )
    chosen = SoundSequences(heard.steps, heard.starts[kept], heard.counts[kept])
    return [clips[i] for i in kept], chosen


def is_heard(
    clips: Sequence[Clip], recipe: CaptioningRecipe, model: CaptioningModel, cache: Path
) -> bool:
    """Whether a run has left in `cache` what the recipe's frozen encoder hears in these clips."""
    what = {**_hearing(recipe, model), "max_s": recipe.audio.max_s}
    return heard_file(clips, cache, what).exists()


def _hearing(recipe: CaptioningRecipe, model: CaptioningModel) -> dict[str, Any]:
    """What tells one hearing from another."""
    describe = getattr(model.audio.audio_encoder, "resources", None)
    return {
        "audio": recipe.audio.model_dump(exclude={"events", "noise"}),
        "resources": describe() if describe is not None else {},
        "weights": weights_mark(model.audio),
    }
