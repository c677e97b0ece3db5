"""METEOR 1.5 (Denkowski and Lavie 2014), by the program of the COCO tools.

The program answers each (prediction, references) with 23 statistics, and statistics with a score.
The score of a set is that of the summed statistics, not the mean of its clips' scores; `scores`
has the formula, so that an interval can be found by drawing clips again.
"""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import IO, Self

import numpy as np
import numpy.typing as npt

from soundseek.metrics.captions.java import UTF8, JavaError, encoded, failure, jar

FloatArray = npt.NDArray[np.float64]

STATISTICS = 23
# Of English, task "rank", which is the program's default (Denkowski and Lavie 2014, table 1).
_ALPHA, _BETA, _GAMMA, _DELTA = 0.85, 0.20, 0.60, 0.75
# Exact, stem, synonym, paraphrase.
_WEIGHTS = np.array([1.0, 0.6, 0.8, 0.6])
_SECONDS, _SECONDS_PER_CLIP = 300.0, 1.0


@dataclass(frozen=True)
class MeteorScores:
    """The score of the set, of each clip `[n]`, and the statistics `[n, 23]`."""

    corpus: float
    per_clip: FloatArray
    statistics: FloatArray


class Meteor:
    """A running METEOR. It reads its paraphrases for some seconds: start it before it is needed.

    Use as a context manager: the process ends with the block.
    """

    def __init__(self, java: str) -> None:
        """Start the program with `java`. Raises `JavaError` if it cannot be started."""
        command = [java, *UTF8, "-XX:+UseSerialGC", "-Xmx2G", "-jar"]
        command += [str(jar("meteor", "meteor-1.5.jar")), "-", "-", "-stdio", "-l", "en", "-norm"]
        try:
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
            )
        except OSError as error:
            raise JavaError(f"{java} cannot be started: {error.strerror}") from error
        self._told: list[bytes] = []
        # A full pipe of complaints would stop the program.
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.kill()
        self._process.wait()
        self._listener.join()
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            _close(pipe)

    def score(
        self, predictions: Sequence[str], references: Sequence[Sequence[str]]
    ) -> MeteorScores:
        """Score tokenised predictions `[n]`, each against its references.

        Raises `JavaError` if the program ends, or answers anything but numbers.
        """
        lines = [
            " ||| ".join(("SCORE", *map(_field, texts), _field(prediction)))
            for prediction, texts in zip(predictions, references, strict=True)
        ]
        alarm = threading.Timer(_SECONDS + _SECONDS_PER_CLIP * len(lines), self._process.kill)
        alarm.daemon = True
        alarm.start()
        try:
            answers = self._asked(lines, len(lines))
            question = "EVAL" + "".join(f" ||| {answer}" for answer in answers)
            *each, corpus = self._numbers(self._asked([question], len(lines) + 1))
        finally:
            alarm.cancel()
        rows = [self._numbers(answer.split()) for answer in answers]
        if any(len(row) != STATISTICS for row in rows):
            raise JavaError("METEOR's statistics are not as expected")
        statistics = np.array(rows)
        # Both sides matched as a whole are not fragmented, and add no chunk to the sums.
        whole = (statistics[:, 20] == 1.0) & (statistics[:, 0:2] == statistics[:, 21:23]).all(1)
        statistics[whole, 20] = 0.0
        return MeteorScores(corpus, np.array(each), statistics)

    def _asked(self, lines: Sequence[str], answers: int) -> list[str]:
        """Write lines while reading answers: both pipes are shorter than what goes through."""
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        question = encoded("".join(f"{line}\n" for line in lines))
        writer = threading.Thread(target=_write, args=(stdin, question), daemon=True)
        writer.start()
        found = [stdout.readline() for _ in range(answers)]
        if not found[-1].endswith(b"\n"):
            self._process.kill()
            status = self._process.wait()
            self._listener.join()
            raise JavaError(failure(status, b"".join(self._told).decode("utf-8", "replace")))
        writer.join()
        return [answer.decode("utf-8", "replace").strip() for answer in found]

    def _numbers(self, words: Sequence[str]) -> list[float]:
        try:
            return [float(word) for word in words]
        except ValueError as error:
            raise JavaError(f"METEOR answered what is no number: {error}") from error

    def _listen(self) -> None:
        assert self._process.stderr is not None
        self._told.append(self._process.stderr.read())


def scores(statistics: FloatArray) -> FloatArray:
    """Return METEOR of statistics `[…, 23]`, of clips or summed over clips, `[…]`.

    In order: words of prediction and reference, function words of both, then for exact, stem,
    synonym and paraphrase matches the matched content words of both and function words of both,
    at last chunks (0 where all of both matched in one) and matched words of both (Denkowski and
    Lavie 2014, section 2).
    """
    lengths, function = statistics[..., 0:2], statistics[..., 2:4]
    matches = statistics[..., 4:20].reshape(*statistics.shape[:-1], 4, 4)
    chunks, matched = statistics[..., 20], statistics[..., 21:23]
    found = _WEIGHTS @ (_DELTA * matches[..., 0:2] + (1.0 - _DELTA) * matches[..., 2:4])
    there = _DELTA * (lengths - function) + (1.0 - _DELTA) * function
    precision, recall = np.moveaxis(_ratio(found, there), -1, 0)
    mean = _ratio(precision * recall, (1.0 - _ALPHA) * recall + _ALPHA * precision)
    fragmentation = _ratio(chunks, matched.mean(axis=-1))
    score: FloatArray = mean * (1.0 - _GAMMA * fragmentation**_BETA)
    return score


def _ratio(above: FloatArray, below: FloatArray) -> FloatArray:
    return np.divide(above, below, out=np.zeros_like(above), where=below != 0.0)


def _field(text: str) -> str:
    """A text that cannot be taken for the protocol: no line ends, no |||."""
    return " ".join(text.replace("|||", " ").split())


def _write(pipe: IO[bytes], data: bytes) -> None:
    try:
        pipe.write(data)
        pipe.flush()
    except (OSError, ValueError):
        pass  # the reader notices that the program has ended


def _close(pipe: IO[bytes] | None) -> None:
    try:
        if pipe is not None:
            pipe.close()
    except OSError:
        pass  # what was not written went to a program that had ended
