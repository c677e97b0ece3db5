"""The captions of a run's test set, and what each of them is worth."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from soundseek.errors import SoundseekError
from soundseek.lab.run_captions import RunCaptions, read_run_captions
from soundseek.metrics.captions import CaptionEvaluation, evaluate_captions


@dataclass(frozen=True)
class Captioned:
    """Captions, and their evaluation; where there is none, `unscored` is why."""

    captions: RunCaptions
    evaluation: CaptionEvaluation | None
    unscored: str = ""

    @property
    def cider(self) -> Mapping[str, float] | None:
        """CIDEr by clip id; None where it could not be computed, for which see `why_no_cider`."""
        found = self.evaluation and self.evaluation.metrics.get("cider")
        return found.per_clip if found else None

    @property
    def why_no_cider(self) -> str:
        """Nothing where there is CIDEr."""
        if self.evaluation is None:
            return self.unscored
        return self.evaluation.missing.get("cider", "")


def read_captioned(folder: Path, *, meteor: bool | None) -> Captioned | None:
    """The captions of a run's folder, scored; None where there are none. `meteor` as in
    `evaluate_captions`. Raises `DataError` for a damaged file."""
    captions = read_run_captions(folder)
    if captions is None:
        return None
    try:
        found = evaluate_captions(captions.predictions, captions.references, meteor=meteor)
    except SoundseekError as error:
        return Captioned(captions, None, str(error))
    return Captioned(captions, found)
