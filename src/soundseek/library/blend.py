"""How a clip's score is made of its best window and of the whole clip.

Measured on real clips, either alone ranks worse than half of each: the best window finds what is
heard only once, the whole forgives one window that is misheard. In a long recording the mean over
all windows says little of any of them, so that there the window decides.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]

_MOST_SHARE = 0.5
_FULL_SHARE_UP_TO_S = 30.0
# What half precision cannot tell from 0 in a vector of length 1.
_NO_LENGTH = 2.0**-11


def whole_weights(windows: npt.NDArray[np.float16], valid: npt.NDArray[np.uint32]) -> FloatArray:
    """Return the weights [n] that make the cosine of the whole clip from those of its windows.

    The vector of a clip is the mean of its `windows` [n, dimension], weighted by their `valid` [n]
    samples (at least 1 each), and L2-normalised. So the cosine of a query and the clip is the sum
    of weight · cosine over the windows, without another matrix. If the windows cancel out, there
    is no such vector, and the weights are 0.
    """
    shares: FloatArray = (valid / valid.sum(dtype=np.float64)).astype(np.float32)
    length = float(np.linalg.norm(shares @ windows.astype(np.float32)))
    if length < _NO_LENGTH:
        return np.zeros(len(shares), dtype=np.float32)
    return np.asarray(shares / length, dtype=np.float32)


def whole_shares(counts: npt.NDArray[np.int64], hop_s: float) -> FloatArray:
    """Return for clips of `counts` [n] windows, `hop_s` seconds apart, what share the whole has.

    It is half up to 30 s, and beyond that falls as 1 / length.
    """
    lengths_s = counts * hop_s
    shares = _MOST_SHARE * np.minimum(1.0, _FULL_SHARE_UP_TO_S / lengths_s)
    return np.asarray(shares, dtype=np.float32)
