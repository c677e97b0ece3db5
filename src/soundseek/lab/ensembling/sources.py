"""Where an ensemble's members come from: runs, folders of similarities, tables of scores."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from soundseek.errors import DataError
from soundseek.lab.similarities import (
    ListedSound,
    Similarities,
    is_similarities,
    open_similarities,
)

Say = Callable[[str], None]
_KEPT, _RECIPE, _TABLE = "similarities", "recipe.json", ".csv"
_WHAT = "name run folders, folders of similarities, or score matrices (CSV)"


def distinct_members(paths: Sequence[Path]) -> None:
    """Raises `DataError` when two paths are one place: a weight is what makes a member count
    twice."""
    seen: dict[Path, Path] = {}
    for path in paths:
        place = path.resolve()
        if place in seen:
            same = "" if seen[place] == path else f" ({seen[place]})"
            raise DataError(
                f"{path} is named twice{same}",
                remedy="name each member once; --weights lets one count for more",
            )
        seen[place] = path


def member_similarities(
    path: Path, part: str, *, work: Path, truth: Path | None = None, say: Say = print
) -> Similarities:
    """The similarities of a member on a part, `test` or `validation`; scores are memory-mapped.

    - a run's folder: what it keeps below `similarities/`; if it keeps nothing of the part, its
      model hears the clips (torch is needed then), and the result is kept;
    - a folder of similarities: itself; one called by another part stands for its neighbour;
    - a table of scores as in DCASE 2025 (index, then a column a file), with the file `truth` that
      says what is relevant. It is read once, into a folder below `work`.

    Raises `DataError` for what is none of these, and for a part that cannot be had.
    """
    if path.suffix.lower() == _TABLE and not path.is_dir():
        return _of_table(path, part, work, truth)
    if is_similarities(path):
        return open_similarities(_neighbour(path, part))
    if is_similarities(path / _KEPT / part):
        return open_similarities(path / _KEPT / part)
    if (path / _RECIPE).is_file():
        from soundseek.lab.systems import similarities  # which needs the extra `lab`

        say(f"{path} keeps no similarities of {part}: listening")
        return similarities(path, part=part, say=say)
    if (path / _KEPT).is_dir():
        raise DataError(
            f"{path} keeps no similarities of {part}, and holds no run that could make them",
            remedy=f"make the ensemble with members that have {part} similarities",
        )
    raise DataError(
        f"{path} is no run and no folder of similarities"
        if path.exists()
        else f"there is nothing at {path}",
        remedy=_WHAT,
    )


def _neighbour(folder: Path, part: str) -> Path:
    """The folder of a part beside the one that was named."""
    if folder.name == part or (part == "test" and folder.name != "validation"):
        return folder
    beside = folder.resolve().parent / part
    if not is_similarities(beside):
        raise DataError(
            f"{folder} has no similarities of {part} beside it",
            remedy="name the run's folder, or leave out what needs them",
        )
    return beside


def _of_table(path: Path, part: str, work: Path, truth: Path | None) -> Similarities:
    if part != "test":
        raise DataError(
            f"{path} is a table of scores, which has no {part} part",
            remedy="name runs or folders of similarities, or leave selection out",
        )
    if truth is None:
        raise DataError(
            f"{path} is a table of scores, and nothing says what is relevant",
            remedy="give --truth FILE: file_name,caption_1,… or query,audio_filenames",
        )
    from soundseek.metrics.dcase import Scored, match, read_predictions, read_truth

    right, predictions = read_truth(truth), read_predictions(path)
    if not isinstance(predictions, Scored):
        raise DataError(
            f"{path} names the first files of each text: there are no scores to join",
            remedy="give a score matrix: index (or query), then one column a file",
        )
    matched = match(right, predictions)
    relevant = np.zeros((len(right.queries), len(predictions.names)), np.bool_)
    relevant[right.query_of, matched.column_of[right.file_of]] = True
    clips = [ListedSound(name, name, 0.0, 0.0) for name in predictions.names]
    scores = predictions.scores[matched.row_of].astype(np.float32)
    # On the disk, as the other members are: many tables are not in memory together.
    place = work / f"table-{len(list(work.iterdir()))}"
    Similarities(right.queries, clips, scores, relevant).save(place)
    return open_similarities(place)
