"""MODEL_CARD.md: what people must know before they rely on a model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from soundseek.lab.credits import attributions, licences
from soundseek.lab.data.manifest import Clip
from soundseek.lab.distilled.recipe import Recipe
from soundseek.lab.scorecard import table

_LIMITS = """\
- It knows the everyday: weather, animals, vehicles, tools, doors, footsteps, alarms, instruments,
  game effects. It is weak on speech content, on music genres, and on rare or very specific sounds.
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
) -> str:
    """The text of the card. `clips` are those trained on, `card` their scorecard."""
    sizes = ", ".join(f"{part} {n / 1e6:.2f} M" for part, n in parameters.items())
    rows = "\n".join(f"| {s} | {n} | {licence} |" for s, licence, n in licences(clips))
    hours_of_sound = sum(clip.duration_s for clip in clips) / 3600
    texts = ", ".join(recipe.data.texts) or "none"
    return f"""# {name}

{recipe.description}. Made by the recipe `{recipe.name}`, seed {recipe.seed}, in {steps} steps
({hours:.1f} hours). Sentences and sounds meet as unit vectors; their dot product is the similarity.

- **Parameters**: {sizes}; all trained from random initialisation.
- **Sound**: 16 kHz, 64 log-mel bands, windows of {recipe.audio.window_patches * 0.96:.2f} s.
- **Teachers, in training only**: YAMNet (Apache-2.0) for sound, all-MiniLM-L6-v2 (Apache-2.0) for
  text. None of their weights is in this model; the vectors of YAMNet's class names, as MiniLM
  gives them, were the starting point of its class anchors.
- **Texts without sound**: {texts} (AudioCaps captions, MIT).

## Scores

{table({name: card})}

Text → audio: every caption is a query and all clips of its group are relevant. R@k: share of
queries with a relevant clip among the first k. Brackets: 95 % jackknife intervals over queries.
The test split was not trained on, but its figures, and those of urbansound8k, were in view while
the teacher's settings were compared (docs/lab-notes.md): take them as slightly kind.
`test_research`, `generated` (clips of text-to-audio systems, asked for by their prompts),
urbansound8k and `animal_sound_test` come from sources that were not trained on. Zero-shot: the
class name with the highest similarity wins. `joint_classes`: the test clips of three sets over all
their class names together. Beside baselines, and what else they share: docs/results.md.

## Limits

{_LIMITS}

## Training data

{len(clips)} clips, {hours_of_sound:.1f} hours, all under licences that permit this use.

| source | clips | licences as the sources state them |
| --- | --- | --- |
{rows}

## Attribution

Thanks to all who recorded these sounds and gave them away.

{attributions(clips)}
"""
