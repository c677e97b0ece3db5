"""All figures of a set of captions against its references."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from soundseek.errors import DataError, SoundseekError
from soundseek.metrics.captions import coco, meteor
from soundseek.metrics.captions.checks import check_values, common_ids
from soundseek.metrics.captions.java import INSTALL_JAVA, JavaError, find_java
from soundseek.metrics.captions.meteor import Meteor, MeteorScores
from soundseek.metrics.captions.resampling import bootstrap_intervals
from soundseek.metrics.captions.spice import no_spice, spice_scores
from soundseek.metrics.captions.tokens import by_java, by_python
from soundseek.metrics.intervals import jackknife_interval

FloatArray = npt.NDArray[np.float64]

# What a caption keeps of its score if it is not fluent (Zhou et al. 2022), and from which
# probability of an error on that is so.
KEPT = 0.1
THRESHOLD = 0.9
NO_FENSE = (
    "needs a sentence encoder and a detector of errors: put them in a folder and give it as "
    "--fense-folder (see the documentation of captioning metrics)"
)


@dataclass(frozen=True)
class CaptionMetric:
    """A figure of a set, its 95 % interval, and its value for every clip where it has one."""

    value: float
    ci95: tuple[float, float] | None
    per_clip: Mapping[str, float] | None


@dataclass(frozen=True)
class CaptionEvaluation:
    """What `evaluate_captions` found.

    Attributes:
        n: how many clips.
        metrics: the figures by name, "bleu_1" to "vocabulary".
        missing: metric → why it is not among them, and what to do about it.
        tokeniser: "java", the COCO tools' own, or "python", soundseek's likeness of it.
        empty: the clips whose prediction holds no word; they score 0.
        notes: what else a reader of the figures should know.
    """

    n: int
    metrics: Mapping[str, CaptionMetric]
    missing: Mapping[str, str]
    tokeniser: str
    empty: tuple[str, ...]
    notes: tuple[str, ...] = ()


def evaluate_captions(
    predictions: Mapping[str, str],
    references: Mapping[str, Sequence[str]],
    *,
    spice: Mapping[str, float] | None = None,
    spice_folder: Path | None = None,
    meteor: bool | None = None,
    seed: int = 1,
    fluency_errors: Mapping[str, float] | None = None,
    similarities: Mapping[str, float] | None = None,
) -> CaptionEvaluation:
    """Score one caption a clip against the clip's references, with the COCO tools' numbers.

    Args:
        predictions, references: by clip id; both must name the same clips. Numbers of references
            may differ.
        spice: SPICE of each clip, computed elsewhere.
        spice_folder: where SPICE's parser is; see `soundseek.metrics.captions.spice`.
        meteor: True asks for METEOR, False leaves it out, None computes it where Java is.
        seed: of the resampling that gives the intervals of BLEU and METEOR.
        fluency_errors: probability of each caption to hold an error, for SPIDEr-FL and FENSE.
        similarities: mean cosine of each caption's and its references' sentence vectors, for FENSE.

    A prediction without a word scores 0 in every metric. A reference without a word is none.

    Raises `DataError` if the ids differ, if there is no clip, or if a clip has no reference;
    `SoundseekError` if pycocoevalcap is not installed, or METEOR was asked for and cannot be run.
    """
    ids = common_ids(predictions, references)
    for what, values in (
        ("SPICE", spice),
        ("fluency errors", fluency_errors),
        ("similarities", similarities),
    ):
        check_values(what, values, ids)
    run = _Run(ids, seed)
    java = find_java()
    if java is None and meteor:
        raise SoundseekError("METEOR needs Java, which is not found", remedy=INSTALL_JAVA)
    with ExitStack() as stack:
        # METEOR reads for seconds before it answers: meanwhile the rest is done.
        machine: Meteor | None = None
        if java is not None and meteor is not False:
            try:
                machine = stack.enter_context(Meteor(java))
            except JavaError as error:
                run.without_meteor(error, asked=meteor is True)
        run.tokenise(predictions, references, java)
        waiting: Future[MeteorScores] | None = None
        if machine is not None:
            pool = stack.enter_context(ThreadPoolExecutor(1))
            waiting = pool.submit(machine.score, run.texts, run.references)
        run.bleu()
        run.rouge()
        run.cider()
        if waiting is not None:
            try:
                run.meteor(waiting.result())
            except JavaError as error:
                run.without_meteor(error, asked=meteor is True)
        elif java is None:
            run.missing["meteor"] = f"needs Java, which is not found: {INSTALL_JAVA}"
        elif meteor is False:
            run.missing["meteor"] = "left out as asked"
    run.spice(spice, spice_folder, java)
    run.fluent(fluency_errors, similarities)
    run.vocabulary()
    return run.evaluation()


class _Run:
    """One evaluation under way."""

    def __init__(self, ids: list[str], seed: int) -> None:
        self.ids = ids
        self.seed = seed
        self.values: dict[str, FloatArray] = {}
        self.metrics: dict[str, CaptionMetric] = {}
        self.missing: dict[str, str] = {}
        self.notes: list[str] = []
        self.tokeniser = "python"

    def tokenise(
        self,
        predictions: Mapping[str, str],
        references: Mapping[str, Sequence[str]],
        java: str | None,
    ) -> None:
        ids = self.ids
        captions = [predictions[clip] for clip in ids]
        captions += [text for clip in ids for text in references[clip]]
        words: list[str] | None = None
        if java is not None:
            try:
                words = by_java(captions, java)
                self.tokeniser = "java"
            except JavaError as error:
                self.notes.append(f"captions were cut into words without Java: {error.message}")
        words = by_python(captions) if words is None else words
        self.texts = words[: len(ids)]
        rest = iter(words[len(ids) :])
        self.references = [[next(rest) for _ in references[clip]] for clip in ids]
        self.references = [[text for text in texts if text] for texts in self.references]
        for clip, texts in zip(ids, self.references, strict=True):
            if not texts:
                raise DataError(
                    f"clip {clip!r} has no reference that holds a word",
                    remedy="give every clip at least one reference, or leave the clip out",
                )
        self.empty = np.array([not text for text in self.texts])

    def mean(self, name: str, values: FloatArray) -> None:
        """Note a metric that is the mean of its clips' values."""
        values = np.where(self.empty, 0.0, values)
        ci95 = jackknife_interval(values) if values.size > 1 else None
        self._note(name, float(values.mean()), ci95, values)

    def bleu(self) -> None:
        corpus, per_clip, statistics = coco.bleu(self.texts, self.references)
        intervals = self._drawn(statistics, coco.bleu_of)
        for k, value in enumerate(corpus.tolist()):
            self._note(f"bleu_{k + 1}", value, intervals[k] if intervals else None, per_clip[:, k])

    def rouge(self) -> None:
        self.mean("rouge_l", coco.rouge_l(self.texts, self.references))

    def cider(self) -> None:
        if len(self.ids) == 1:
            self.missing["cider"] = (
                "weighs words by how rare they are among the clips: with one clip every weight "
                "is 0; score several clips at once"
            )
            return
        self.mean("cider", coco.cider(self.texts, self.references))

    def meteor(self, found: MeteorScores) -> None:
        intervals = self._drawn(found.statistics, lambda sums: meteor.scores(sums)[:, None])
        self._note("meteor", found.corpus, intervals[0] if intervals else None, found.per_clip)

    def without_meteor(self, error: JavaError, *, asked: bool) -> None:
        if asked:
            raise error
        self.missing["meteor"] = f"{error.message}; {error.remedy or INSTALL_JAVA}"

    def spice(
        self, given: Mapping[str, float] | None, folder: Path | None, java: str | None
    ) -> None:
        if given is None:
            reason = no_spice(folder, java)
            if reason is None:
                try:
                    given = spice_scores(self.ids, self.texts, self.references, folder, java)
                except JavaError as error:
                    reason = str(error)
            if reason is not None:
                self.missing["spice"] = reason
        if given is not None:
            self.mean("spice", self._ordered(given))
        absent = [name for name in ("spice", "cider") if name not in self.values]
        if absent:
            self.missing["spider"] = f"is the mean of CIDEr and SPICE: {absent[0]} is missing"
        else:
            self.mean("spider", (self.values["cider"] + self.values["spice"]) / 2.0)

    def fluent(
        self, errors: Mapping[str, float] | None, similarities: Mapping[str, float] | None
    ) -> None:
        if errors is None:
            self.missing["spider_fl"] = self.missing["fense"] = NO_FENSE
            return
        share = np.where(self._ordered(errors) > THRESHOLD, KEPT, 1.0)
        if "spider" in self.values:
            self.mean("spider_fl", self.values["spider"] * share)
        else:
            self.missing["spider_fl"] = "is SPIDEr of fluent captions: SPIDEr is missing"
        if similarities is None:
            self.missing["fense"] = NO_FENSE
        else:
            self.mean("fense", self._ordered(similarities) * share)

    def vocabulary(self) -> None:
        words = {word for text in self.texts for word in text.split()}
        self.metrics["vocabulary"] = CaptionMetric(float(len(words)), None, None)

    def evaluation(self) -> CaptionEvaluation:
        order = [*(f"bleu_{k}" for k in range(1, 5)), "meteor", "rouge_l", "cider", "spice"]
        order += ["spider", "spider_fl", "fense", "vocabulary"]
        empty = tuple(clip for clip, none in zip(self.ids, self.empty, strict=True) if none)
        return CaptionEvaluation(
            n=len(self.ids),
            metrics={name: self.metrics[name] for name in order if name in self.metrics},
            missing={name: self.missing[name] for name in order if name in self.missing},
            tokeniser=self.tokeniser,
            empty=empty,
            notes=tuple(self.notes),
        )

    def _drawn(
        self, statistics: FloatArray, figures: Callable[[FloatArray], FloatArray]
    ) -> list[tuple[float, float]] | None:
        if len(self.ids) == 1:
            return None
        return bootstrap_intervals(statistics, figures, np.random.default_rng(self.seed))

    def _note(
        self, name: str, value: float, ci95: tuple[float, float] | None, values: FloatArray
    ) -> None:
        values = np.where(self.empty, 0.0, values)
        self.values[name] = values
        per_clip = dict(zip(self.ids, values.tolist(), strict=True))
        self.metrics[name] = CaptionMetric(value, ci95, per_clip)

    def _ordered(self, values: Mapping[str, float]) -> FloatArray:
        return np.array([values[clip] for clip in self.ids], dtype=np.float64)
