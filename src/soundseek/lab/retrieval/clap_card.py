"""Where a published CLAP comes from, and the model card of its bundle."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from soundseek.bundle.schema import BundleManifest
from soundseek.errors import DataError
from soundseek.lab.retrieval.prepare import Say
from soundseek.lab.scorecard import table
from soundseek.lab.text_encoders import hub

_README: Final = "README.md"

_UNMEASURED: Final = """\
None: this bundle was made without clips, and nothing about it was measured. Its similarities are
not calibrated. `soundseek export ... --clips MANIFEST` scores and calibrates one."""

_MEASURED: Final = """\
Text → audio: every caption is a query and all clips of its group are relevant. R@k: share of
queries with a relevant clip among the first k. Brackets: 95 % jackknife intervals over queries.
Measured with this bundle, on whole clips, window by window; the same clips calibrate the
similarity. Whether the model was trained on any of them is not known here."""


@dataclass(frozen=True)
class ClapOrigin:
    """`name`: what the model is called where it was published, or of its folder; `licence`: as its
    README states it, None where it does not."""

    name: str
    licence: str | None

    def attribution(self) -> str:
        """One sentence for the bundle's provenance."""
        return f"Weights of the CLAP {self.name}; licence: {self.licence or 'not stated'}."


def origin_of(model: str, say: Say) -> ClapOrigin:
    """What the folder or hub repository `model` says of itself in the head of its README.md.

    A head that cannot be read is told of, and counts as none.
    """
    folder = Path(model).expanduser()
    # A path of the machine that exports tells nobody anything.
    name = folder.resolve().name if folder.is_dir() else model
    head = _head(model, say)
    licence = head.get("license_name") or head.get("license")
    if isinstance(licence, list):
        licence = ", ".join(map(str, licence))
    return ClapOrigin(str(head.get("model_name") or name), str(licence) if licence else None)


def clap_card(
    manifest: BundleManifest,
    origin: ClapOrigin,
    scores: Mapping[str, Any],
    *,
    parameters: Mapping[str, int],
) -> str:
    """The text of MODEL_CARD.md; `scores`: sets of the scorecard, empty where none was measured;
    `parameters`: how many each side has."""
    sizes = ", ".join(f"{part} {n / 1e6:.2f} M" for part, n in parameters.items())
    audio, text = manifest.audio, manifest.text
    window_s = audio.window_samples / audio.sample_rate
    shown = f"{table({manifest.name: dict(scores)})}\n\n{_MEASURED}" if scores else _UNMEASURED
    return f"""# {manifest.name}

The CLAP `{origin.name}` (Wu et al. 2023) without feature fusion, as it was published: nothing was
trained further. Sentences and sounds meet as unit vectors; their dot product is the similarity.

- **Parameters**: {sizes}.
- **Sound**: {audio.sample_rate / 1000:g} kHz; windows of {window_s:g} s.
- **Text**: {text.max_tokens} tokens; a longer text is cut.

## Scores

{shown}

## Limits

- A sentence, and a window of 10 s, have the vectors that transformers' `ClapModel` gives, to 2e-4
  a coordinate. Shorter sound is repeated frame by frame up to 10 s, where the public code repeats
  samples: vectors differ a little.
- A clip's vector is the mean over its windows, where the public code takes a random 10 s of it.
- Order ("a dog, then a door"), counts and negation are understood badly or not at all.

## Licence and training data

Licence of the weights, as their README states it: {origin.licence or "not stated"}. What the model
was trained on is told where it was published, and not known here. Whether the licences permit your
use is for you to decide.
"""


def _head(model: str, say: Say) -> dict[str, Any]:
    """The YAML between the first two lines of three dashes."""
    import yaml

    try:
        path = hub.find(model, _README)
    except DataError:  # weights of the hub's cache, without a network
        return {}
    if path is None:
        return {}
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
        if not lines or lines[0].strip() != "---":
            return {}
        end = [line.strip() for line in lines].index("---", 1)
        head = yaml.safe_load("\n".join(lines[1:end]))
        if not isinstance(head, dict):
            raise TypeError(f"it is {type(head).__name__}")
    except (OSError, ValueError, TypeError, yaml.YAMLError) as error:
        say(
            f"warning: the head of {path} cannot be read, its licence is taken as not stated: "
            f"{str(error).splitlines()[0]}"
        )
        return {}
    return head
