"""BLEU, ROUGE-L and CIDEr, computed by pycocoevalcap (Chen et al. 2015).

All take tokenised captions: predictions `[n]` and, for each, one or more references.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from soundseek.metrics.captions.java import tools_folder

FloatArray = npt.NDArray[np.float64]

ORDERS = 4
# The scorer's own, which keep it from dividing by zero.
_SMALL, _TINY = 1e-9, 1e-15


def bleu(
    predictions: Sequence[str], references: Sequence[Sequence[str]]
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return BLEU-1 … BLEU-4 of the set `[4]` and of each clip `[n, 4]`, and statistics `[n, 10]`.

    The statistics of a clip: matching n-grams and n-grams of the prediction, for n = 1 … 4, and
    the words of the prediction and of the reference whose length is closest to it.
    """
    tools_folder()
    from pycocoevalcap.bleu.bleu_scorer import BleuScorer

    scorer = BleuScorer(n=ORDERS)
    for prediction, texts in zip(predictions, references, strict=True):
        scorer += (prediction, list(texts))
    corpus, per_clip = scorer.compute_score(option="closest", verbose=0)
    statistics = [
        [*clip["correct"], *clip["guess"], clip["testlen"], _closest(clip)] for clip in scorer.ctest
    ]
    return np.array(corpus), np.array(per_clip).T, np.array(statistics, dtype=np.float64)


def bleu_of(statistics: FloatArray) -> FloatArray:
    """Return BLEU-1 … BLEU-4 `[…, 4]` of summed statistics `[…, 10]`.

    The geometric mean of the n-gram precisions up to n, times exp(1 - r/c) where the predictions
    have fewer words c than the references r (Papineni et al. 2002).
    """
    correct, guessed = statistics[..., 0:4], statistics[..., 4:8]
    precisions = np.cumprod((correct + _TINY) / (guessed + _SMALL), axis=-1)
    means = precisions ** (1.0 / np.arange(1, ORDERS + 1))
    ratio = (statistics[..., 8:9] + _TINY) / (statistics[..., 9:10] + _SMALL)
    # As exp(1 - 1/ratio) overflows nowhere: the exponent is at most 0.
    score: FloatArray = means * np.exp(np.minimum(1.0 - 1.0 / ratio, 0.0))
    return score


def rouge_l(predictions: Sequence[str], references: Sequence[Sequence[str]]) -> FloatArray:
    """Return ROUGE-L of each clip `[n]`: the F of the longest common subsequence, β = 1.2."""
    tools_folder()
    from pycocoevalcap.rouge.rouge import Rouge

    scorer = Rouge()
    return np.array(
        [
            scorer.calc_score([prediction], list(texts))
            for prediction, texts in zip(predictions, references, strict=True)
        ],
        dtype=np.float64,
    )


def cider(predictions: Sequence[str], references: Sequence[Sequence[str]]) -> FloatArray:
    """Return what the COCO tools call CIDEr, of each clip `[n]`, 0 … 10.

    It is CIDEr-D (Vedantam et al. 2015, section 5) without stemming: term frequencies clipped to
    those of the reference, a Gaussian of the difference in length (σ = 6), times 10. An n-gram's
    inverse document frequency is that among the references of the n clips.
    """
    tools_folder()
    from pycocoevalcap.cider.cider_scorer import CiderScorer

    scorer = CiderScorer(n=ORDERS, sigma=6.0)
    for prediction, texts in zip(predictions, references, strict=True):
        scorer += (prediction, list(texts))
    return np.asarray(scorer.compute_score()[1], dtype=np.float64)


def _closest(clip: dict[str, list[int]]) -> int:
    words = clip["testlen"]
    return min((abs(length - words), length) for length in clip["reflen"])[1]  # type: ignore[operator]
