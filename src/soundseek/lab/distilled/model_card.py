"""MODEL_CARD.md: what people must know before they rely on a model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from soundseek.lab.credits import attributions, licences
from soundseek.lab.data.manifest import Clip
from soundseek.lab.distilled.recipe import Recipe
from soundseek.lab.scorecard import table
from soundseek.lab.words.recipe import WordsRecipe

_LIMITS = """\
- It knows the everyday: weather, animals, vehicles, tools, doors, footsteps, alarms, instruments,
  game effects. It hears that someone speaks, not what is said; it is weak on music genres and on
  rare or very specific sounds. Speech and music were learnt from synthesizers alone.
- Captions of the training clips were written from file names, folders and titles; nobody listened.
- English only. Words that were not in the training texts are split into pieces and understood
  badly or not at all.
- It does not understand order ("a dog, then a door"), counts or negation.
- A clip's vector is the mean over its windows: in long recordings look at the best window.
- Scores on the sets above do not carry over to your sounds; try it on them."""


def model_card(
    recipe: Recipe,
    name: str,
    clips: Sequence[Clip],
    card: dict[str, Any],
    *,
    steps: int,
    hours: float,
    parameters: dict[str, int],
    words: WordsRecipe,
) -> str:
    """The text of the card. `clips` are those trained on, `card` their scorecard, `words` the
    recipe of the text tower."""
    sizes = ", ".join(f"{part} {n / 1e6:.2f} M" for part, n in parameters.items())
    rows = "\n".join(f"| {s} | {n} | {licence} |" for s, licence, n in licences(clips))
    labelled = [clip for clip in clips if clip.captions]
    unlabelled = [clip for clip in clips if not clip.captions]
    heard = f"{len(labelled)} clips with captions, {_hours(labelled):.1f} hours"
    if unlabelled:
        heard += (
            f", and without captions, for the teacher to judge, {len(unlabelled)} clips, "
            f"{_hours(unlabelled):.1f} hours"
        )
    windows = steps * recipe.optimiser.windows
    patches = windows * recipe.audio.window_patches
    text_steps = words.table.steps + words.optimiser.steps
    return f"""# {name}

{recipe.description}. Sound by the recipe `{recipe.name}`, seed {recipe.seed}: {steps} steps of
{recipe.optimiser.windows} windows, {patches / 1e6:.1f} million patches of 0.96 s, in
{hours:.2f} hours; text by the recipe `{words.name}`, seed {words.seed}, {text_steps} steps.
Sentences and sounds meet as unit vectors; their dot product is the similarity.

- **Parameters**: {sizes}; all trained from random initialisation but for the vectors named below;
  kept in half precision.
- **Sound**: 16 kHz, 64 log-mel bands, windows of {recipe.audio.window_patches * 0.96:.2f} s.
- **Teachers, in training only**: YAMNet (Apache-2.0) for sound, all-MiniLM-L6-v2 (Apache-2.0) for
  text. None of their weights is in this model; the vectors that MiniLM gives to YAMNet's class
  names and to single words were the starting point of the class anchors and of the table of words.
- **Texts without sound**: {", ".join(words.data.captions) or "none"} (AudioCaps captions, MIT), and
  words, definitions and examples of WordNet.

## Scores

{table({name: card})}

Text → audio: every caption is a query and all clips of its group are relevant. R@k: share of
queries with a relevant clip among the first k. Brackets: 95 % jackknife intervals over queries.
The test split was not trained on, but its figures, and those of urbansound8k, were in view while
the teacher's settings were compared (docs/lab-notes.md): take them as slightly kind.
`test_research`, `generated` (clips of text-to-audio systems, asked for by their prompts),
urbansound8k and `animal_sound_test` come from sources that were not trained on. Zero-shot: the
class name with the highest similarity wins. `joint_classes`: the test clips of three sets over all
their class names together. Beside the first edition, the
teacher and baselines, and what else they share: docs/results.md.

## Limits

{_LIMITS}

## Training data

{heard}; all under licences that permit this use.

| source | clips | licences as the sources state them |
| --- | --- | --- |
{rows}

## Attribution

Thanks to all who recorded these sounds and gave them away.

{attributions(clips)}
"""


def _hours(clips: Sequence[Clip]) -> float:
    return sum(clip.duration_s for clip in clips) / 3600
