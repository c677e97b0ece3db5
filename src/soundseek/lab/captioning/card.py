"""MODEL_CARD.md of a captioner: what people must know before they rely on it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from soundseek.bundle.captioning.schema import CaptionerManifest
from soundseek.lab.captioning.recipe import CaptioningRecipe
from soundseek.lab.credits import attributions, licences
from soundseek.lab.data.manifest import Clip
from soundseek.lab.retrieval.card import ATTRIBUTION, has_authors

_LIMITS: Final = """\
- It says what kind of sound a clip resembles, in the manner of its training captions. It is often
  wrong in detail: who, what of, how many, in which order. Look at it as a hint, not as a record.
- It always says something: noise, music and speech too are given the words that come nearest.
- It does not write down what people say.
- It knows the language of its training captions alone.
- It reads the vectors that the model keeps of a sound: what these do not tell, it does not know."""


def model_card(
    recipe: CaptioningRecipe,
    manifest: CaptionerManifest,
    clips: Sequence[Clip],
    *,
    parameters: int,
) -> str:
    """The text of the card; `clips`: those trained on."""
    rows = "\n".join(
        f"| {source} | {n} | {licence or 'not stated'} |" for source, licence, n in licences(clips)
    )
    hours = sum(clip.duration_s for clip in clips) / 3600
    captions = sum(len(clip.captions) for clip in clips)
    credit = ""
    if has_authors(clips):
        credit = f"""
## {ATTRIBUTION}

Thanks to all who recorded these sounds and gave them away.

{attributions(clips)}
"""
    return f"""# {manifest.name}

{recipe.description}. Made by the recipe `{recipe.name}`, seed {recipe.seed}. It reads the window
vectors of `{manifest.hears.name}` and writes a sentence.

- **Parameters**: {parameters / 1e6:.2f} M, trained from {_origin(recipe)}; kept in half
  precision.
- **Network**: {_network(recipe)} of width {recipe.network.width}; at most {manifest.most_windows}
  windows of a clip.
- **Writing**: {_written(recipe)}; {_decoding(manifest)}.
- **Captions without sounds**: {_texts(recipe)}.

## Scores
{_scores(manifest.provenance.scores)}
## Limits

{_LIMITS}

## Training data

{len(clips)} clips with {captions} captions, {hours:.1f} hours.

| source | clips | licences as the sources state them |
| --- | --- | --- |
{rows}
{credit}"""


def _network(recipe: CaptioningRecipe) -> str:
    network, adapters = recipe.network, recipe.adapter.layers
    before = f"{adapters} linear layer{'s' if adapters > 1 else ''}, " if adapters else ""
    encoder = "" if network.encoder == "none" else f"{network.encoder_layers} encoder and "
    return f"{before}{encoder}{network.decoder_layers} decoder layers"


def _origin(recipe: CaptioningRecipe) -> str:
    model = recipe.network.model
    if recipe.network.weights == "random" or model is None:
        return "random initialisation"
    # A path of the machine that trained tells nobody anything; a hub name has a slash as well.
    shown = Path(model).name if Path(model).is_absolute() else model
    return f"the weights of `{shown}` (its own terms apply)"


def _written(recipe: CaptioningRecipe) -> str:
    text = recipe.text
    letters = "small letters" if text.lowercase else "letters as in its captions"
    return letters + (", without punctuation" if text.strip_punctuation else ", with punctuation")


def _decoding(manifest: CaptionerManifest) -> str:
    decoding = manifest.decoding
    how = f"beam search with {decoding.beams} beams" if decoding.beams > 1 else "greedy"
    again = decoding.no_repeat_ngram
    return f"{how}" + (f", no {again} tokens twice in the same order" if again else "")


def _texts(recipe: CaptioningRecipe) -> str:
    texts = recipe.texts
    if texts is None:
        return "none"
    files = ", ".join(texts.files)
    return (
        f"{files}; in the place of a sound stands the vector of the text, with noise of "
        f"{texts.noise:g} times its length"
    )


def _scores(scores: Mapping[str, Any]) -> str:
    if not scores:
        return "\nNone: there were no test clips, or nothing to measure them with.\n"
    lines = []
    for part, found in scores.items():
        lines.append(
            f"\nOn the {part} clips of the recipe, n = {found['n']}, through the runtime:\n"
        )
        lines += ["| figure | value | 95 % interval |", "| --- | --- | --- |"]
        for name, one in found["metrics"].items():
            bounds = one["ci95"]
            interval = "" if bounds is None else f"[{bounds[0]:.4f}, {bounds[1]:.4f}]"
            shown = f"{one['value']:.0f}" if name == "vocabulary" else f"{one['value']:.4f}"
            lines.append(f"| {name} | {shown} | {interval} |")
    lines.append(
        "\nReferences are the clips' own captions. Where a source's captions were made from names, "
        "folders and titles, nobody listened: such figures tell captioners apart, and cannot be "
        "compared with those of other data."
    )
    return "\n".join(lines) + "\n"
