"""MODEL_CARD.md of a retrieval system: what people must know before they rely on it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from soundseek.lab.credits import attributions, licences
from soundseek.lab.data.manifest import Clip
from soundseek.lab.published_weights import WEIGHTS
from soundseek.lab.retrieval.recipe import RetrievalRecipe
from soundseek.lab.scorecard import table

ATTRIBUTION: Final = "Attribution"

_LIMITS = """\
- It knows what its training clips let it hear, and the words of their captions.
- A clip's vector is the mean over its windows: in long recordings look at the best window.
- Order ("a dog, then a door"), counts and negation are understood badly or not at all.
- Scores on the sets above do not carry over to your sounds; try it on them."""

_UNNORMALISED = """
Training compared vectors of any length by their dot product. Those of this bundle are brought to
length 1, so that its ranks differ from those of the run that it comes from; the scores below are
the bundle's own.
"""


def model_card(
    recipe: RetrievalRecipe,
    name: str,
    clips: Sequence[Clip],
    scores: Mapping[str, Any],
    *,
    window_s: float,
    parameters: Mapping[str, int],
) -> str:
    """The text of the card.

    `recipe`: with its stages; `clips`: those trained on; `scores`: sets of the bundle's scorecard;
    `parameters`: how many each side has.
    """
    sizes = ", ".join(f"{part} {n / 1e6:.2f} M" for part, n in parameters.items())
    rows = "\n".join(
        f"| {source} | {n} | {licence or 'not stated'} |" for source, licence, n in licences(clips)
    )
    hours = sum(clip.duration_s for clip in clips) / 3600
    credit = (
        f"\n## {ATTRIBUTION}\n\nThanks to all who recorded these sounds.\n\n{attributions(clips)}\n"
        if has_authors(clips)
        else ""
    )
    return f"""# {name}

{recipe.description}. Made by the recipe `{recipe.name}`, seed {recipe.seed}{_stages(recipe)}.
Sentences and sounds meet as unit vectors; their dot product is the similarity.
{"" if recipe.space.normalise else _UNNORMALISED}
- **Parameters**: {sizes}.
- **Sound**: {_sound(recipe)}; windows of {window_s:g} s.
- **Text**: {_text(recipe)}.
- **Objective**: {_objectives(recipe)}.{_teachers(recipe)}

## Scores

{table({name: dict(scores)})}

Text → audio: every caption is a query and all clips of its group are relevant. R@k: share of
queries with a relevant clip among the first k. Brackets: 95 % jackknife intervals over queries.
Measured with this bundle, on whole clips, window by window. Validation clips chose the checkpoint
and calibrate the similarity.

## Limits

{_LIMITS}

## Training data

{len(clips)} clips, {hours:.1f} hours. Whether these licences permit your use is for you to decide.

| source | clips | licences as the sources state them |
| --- | --- | --- |
{rows}
{credit}"""


def has_authors(clips: Sequence[Clip]) -> bool:
    """Whether anybody is named whom the model should thank."""
    return any(clip.author for clip in clips)


def _stages(recipe: RetrievalRecipe) -> str:
    if not recipe.stages:
        return ""
    return ", in the stages " + ", ".join(name for name, _ in recipe.plain_stages())


def _sound(recipe: RetrievalRecipe) -> str:
    audio = recipe.audio
    frozen = all(stage.audio.frozen for _, stage in recipe.plain_stages())
    return f"`{audio.encoder}`, {_origin(audio.weights, audio.checkpoint, frozen)}"


def _text(recipe: RetrievalRecipe) -> str:
    text = recipe.text
    frozen = all(stage.text.frozen for _, stage in recipe.plain_stages())
    origin = _origin(text.weights, text.model, frozen)
    return f"`{text.encoder}`, {origin}; {text.max_tokens} tokens"


def _origin(weights: str, file: str | None, frozen: bool) -> str:
    """What training started from; a path of the machine that trained tells nobody anything."""
    further = "not trained further" if frozen else "trained further"
    if weights == "random" or file is None:
        return f"from random initialisation, {further}"
    known = WEIGHTS.get(Path(file).name)
    # A hub name has a slash as well, but no root.
    shown = Path(file).name if Path(file).is_absolute() else file
    terms = "its own terms apply" if known is None else known.licence
    return f"from the weights of `{shown}` ({terms}), {further}"


def _objectives(recipe: RetrievalRecipe) -> str:
    *_, (_, last) = recipe.plain_stages()
    return ", ".join(f"`{term.term}`" for term in last.objective)


def _teachers(recipe: RetrievalRecipe) -> str:
    places = {place for _, stage in recipe.plain_stages() for place in stage.teachers}
    if not places:
        return ""
    return f"\n- **Teachers, in training only**: {len(places)} retrieval systems of the same kind."
