"""The mean of several systems' scores or embeddings, made in blocks of rows."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Literal, Protocol, get_args

import numpy as np
from numpy.typing import NDArray

from soundseek.errors import DataError
from soundseek.lab.choices import chosen
from soundseek.lab.ensembling.alignment import Aligned, aligned
from soundseek.lab.ensembling.blocks import rows_at_once, spans
from soundseek.lab.ensembling.figures import figures, positions_of
from soundseek.lab.ensembling.scales import Scale, Scaler, scaler
from soundseek.lab.similarities import Similarities, Sound, write_matrix, write_similarities
from soundseek.metrics.retrieval import Metric

_Floats = NDArray[np.float32]
By = Literal["similarities", "embeddings"]
BY: Final[tuple[str, ...]] = get_args(By)


class Mixture(Protocol):
    """Members whose weighted mean is a matrix of scores."""

    @property
    def names(self) -> list[str]: ...
    @property
    def reference(self) -> Similarities: ...

    def mixed(self, weights: Sequence[float]) -> Iterator[_Floats]:
        """Blocks of the mean, in order."""
        ...

    def trials(self, counts: Sequence[int]) -> Iterator[list[_Floats]]:
        """Blocks of the means of `counts` with one more of each member in turn."""
        ...

    def vectors(self, weights: Sequence[float]) -> tuple[_Floats, _Floats] | None:
        """(audio, text) whose products the scores are, None where there are none."""
        ...

    def stored(self, folder: Path) -> Mixture:
        """The same, what is read again and again made ready in files of `folder`."""
        ...


@dataclass(frozen=True)
class ScoreMixture:
    """Members whose scores are brought to one scale each, then averaged."""

    members: Sequence[Aligned]
    scalers: Sequence[Scaler]
    infinite: bool
    """Whether scores may be: ranks take them as they are, means do not."""

    @property
    def names(self) -> list[str]:
        return [member.name for member in self.members]

    @property
    def reference(self) -> Similarities:
        return self.members[0].found

    def mixed(self, weights: Sequence[float]) -> Iterator[_Floats]:
        whole = sum(weights)
        # Beside the block itself there are one more, its scaled form and a sum of twice the size.
        for start, stop in self._spans(5):
            total = np.zeros((stop - start, len(self.reference.clips)))
            for place, weight in enumerate(weights):
                if weight:
                    total += weight * self._scaled(place, start, stop)
            yield (total / whole).astype(np.float32)

    def trials(self, counts: Sequence[int]) -> Iterator[list[_Floats]]:
        whole = sum(counts) + 1
        for start, stop in self._spans(2 * len(self.members) + 3):
            blocks = [self._scaled(place, start, stop) for place in range(len(self.members))]
            total = np.zeros(blocks[0].shape)
            for count, block in zip(counts, blocks, strict=True):
                if count:
                    total += float(count) * block
            yield [((total + block) / whole).astype(np.float32) for block in blocks]

    def vectors(self, weights: Sequence[float]) -> None:
        return None

    def stored(self, folder: Path) -> ScoreMixture:
        reference = self.reference
        shape = (len(reference.queries), len(reference.clips))
        members = []
        for place, member in enumerate(self.members):
            file = folder / f"scaled-{place}.npy"
            write_matrix(file, shape, (self._scaled(place, *span) for span in self._spans(4)))
            scores = np.load(file, mmap_mode="r")
            ready = replace(reference, scores=scores, audio=None, text=None)
            members.append(Aligned(member.name, ready))
        return ScoreMixture(members, [scaler("none", lambda: ())] * len(members), self.infinite)

    def _scaled(self, place: int, start: int, stop: int) -> _Floats:
        block = self.members[place].block(start, stop, infinite=self.infinite)
        return self.scalers[place](block)

    def _spans(self, matrices: int) -> Iterator[tuple[int, int]]:
        return spans(len(self.reference.queries), rows_at_once(len(self.reference.clips), matrices))


@dataclass(frozen=True)
class EmbeddingMixture:
    """Members whose embeddings of length 1 are averaged, and brought to length 1 again.

    `audio` and `text`: each member's `[clips, dimension]` and `[queries, dimension]`. The product
    of two means is the mean of all products: those of a member's sounds with its own texts, which
    is what averaged scores are made of, and those of one member's sounds with another's texts. The
    latter mean something only where axes are shared: by members that went on from one checkpoint
    (other seeds or folds of one fine-tuning, states along one training). Between networks that
    learnt on their own they are noise, and scores are the better thing to average. Which of the two
    it is, is to be measured.
    """

    names: list[str]
    reference: Similarities
    audio: Sequence[_Floats]
    text: Sequence[_Floats]

    def mixed(self, weights: Sequence[float]) -> Iterator[_Floats]:
        audio, text = self.vectors(weights)
        for start, stop in self._spans(1):
            yield text[start:stop] @ audio.T

    def trials(self, counts: Sequence[int]) -> Iterator[list[_Floats]]:
        each = [
            self.vectors([count + (place == one) for place, count in enumerate(counts)])
            for one in range(len(self.names))
        ]
        for start, stop in self._spans(len(self.names)):
            yield [text[start:stop] @ audio.T for audio, text in each]

    def vectors(self, weights: Sequence[float]) -> tuple[_Floats, _Floats]:
        audio, text = (
            _unit(sum(w * side for w, side in zip(weights, sides, strict=True) if w))
            for sides in (self.audio, self.text)
        )
        return audio, text

    def stored(self, folder: Path) -> EmbeddingMixture:
        return self

    def _spans(self, matrices: int) -> Iterator[tuple[int, int]]:
        return spans(len(self.reference.queries), rows_at_once(len(self.reference.clips), matrices))


@dataclass(frozen=True)
class Joined:
    """A mixture with its weights: an ensemble on one part of the clips."""

    mixture: Mixture
    weights: tuple[float, ...]

    @property
    def queries(self) -> Sequence[str]:
        return self.mixture.reference.queries

    @property
    def clips(self) -> Sequence[Sound]:
        return self.mixture.reference.clips

    def metrics(self) -> dict[str, Metric]:
        """Text → audio retrieval figures with 95 % intervals."""
        blocks = self.mixture.mixed(self.weights)
        return figures(positions_of(blocks, self.mixture.reference.relevant))

    def save(self, folder: Path) -> None:
        """Write a folder of similarities, block by block."""
        audio, text = self.mixture.vectors(self.weights) or (None, None)
        write_similarities(
            folder,
            self.queries,
            self.clips,
            self.mixture.reference.relevant,
            self.mixture.mixed(self.weights),
            audio=audio,
            text=text,
        )

    def similarities(self) -> Similarities:
        """The one matrix of the ensemble, in memory."""
        audio, text = self.mixture.vectors(self.weights) or (None, None)
        scores = np.concatenate(list(self.mixture.mixed(self.weights)))
        reference = self.mixture.reference
        return Similarities(self.queries, self.clips, scores, reference.relevant, audio, text)


def mixture(members: Mapping[str, Similarities], *, scale: Scale = "none", by: By) -> Mixture:
    """Members of one test set, by name, ready to be averaged.

    `scale` is about scores: embeddings are brought to length 1. Raises `DataError` for members of
    other clips or queries, for scores that are not finite on a scale that they would spoil, and by
    embeddings for members without them or of other dimensions.
    """
    if not members:
        raise DataError("an ensemble needs members")
    chosen(dict.fromkeys(BY), by, "way to join")
    if by == "embeddings":
        return _embeddings(aligned(members))
    there = aligned(members)
    return ScoreMixture(there, [_scaler(member, scale) for member in there], scale == "rank")


def joined(
    members: Mapping[str, Similarities],
    *,
    scale: Scale = "none",
    weights: Sequence[float] | None = None,
    by: By = "similarities",
) -> Joined:
    """The ensemble of members by name; `weights`: one a member, None: all alike.

    Raises `DataError` as `mixture`, and for weights that are not as many, negative or all 0.
    """
    weighed = checked_weights(weights, len(members))
    return Joined(mixture(members, scale=scale, by=by), weighed)


def checked_weights(weights: Sequence[float] | None, members: int) -> tuple[float, ...]:
    """Weights that sum to 1. Raises `DataError` for those that cannot be."""
    if weights is None:
        return (1.0 / members,) * members
    if len(weights) != members:
        raise DataError(
            f"there are {len(weights)} weights for {members} members",
            remedy="give one weight a member, in their order",
        )
    for weight in weights:
        if not math.isfinite(weight) or weight < 0:
            raise DataError(f"a weight is {weight}", remedy="weights are 0 or above")
    whole = math.fsum(weights)
    if whole <= 0:
        raise DataError("all weights are 0", remedy="give one member at least a weight above 0")
    return tuple(weight / whole for weight in weights)


def _scaler(member: Aligned, scale: Scale) -> Scaler:
    rows = rows_at_once(len(member.found.clips), 3)
    return scaler(
        scale,
        lambda: (member.block(*span) for span in spans(len(member.found.queries), rows)),
    )


def _embeddings(members: Sequence[Aligned]) -> EmbeddingMixture:
    sides = [member.embeddings() for member in members]
    dimension = sides[0][0].shape[1]
    for member, (audio, text) in zip(members, sides, strict=True):
        for vectors in (audio, text):
            if vectors.shape[1] != dimension:
                raise DataError(
                    f"embeddings of {member.name} have {vectors.shape[1]} dimensions, those of "
                    f"{members[0].name} {dimension}",
                    remedy="join by similarities, which may come from spaces of any size",
                )
            if not np.isfinite(vectors).all():
                raise DataError(f"{member.name} has an embedding that is not finite")
    return EmbeddingMixture(
        [member.name for member in members],
        members[0].found,
        [_unit(audio) for audio, _ in sides],
        [_unit(text) for _, text in sides],
    )


def _unit(vectors: _Floats | float) -> _Floats:
    rows = np.asarray(vectors, np.float32)
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    unit: _Floats = np.divide(rows, length, out=np.zeros_like(rows), where=length > 0)
    return unit
