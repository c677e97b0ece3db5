"""Dot products of one vector with many that are kept in half precision."""

from __future__ import annotations

from functools import cache
from types import ModuleType

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]
HalfArray = npt.NDArray[np.float16]

_BLOCK_ROWS = 8192
# Below this many values, starting a second thread takes longer than the work.
_VALUES_FOR_THREADS = 4_000_000


def dot_products(matrix: HalfArray, vector: FloatArray, *, threads: int = 1) -> FloatArray:
    """Return the dot products [n] of `vector` [dimension] with the rows of `matrix`.

    `matrix` is float16 [n, dimension] and is read once, without a copy in higher precision:
    NumPy alone needs either twice the memory (float32) or forty times as long (float16). `vector`
    is rounded to float16, too; sums are float32. Without simsimd, NumPy does it in blocks.
    """
    simsimd = _simsimd()
    if simsimd is None or len(matrix) == 0:
        return blocked_dot_products(matrix, vector)
    result = simsimd.cdist(
        np.asarray(vector, dtype=np.float16)[np.newaxis],
        matrix,
        metric="inner",  # which is the dot product itself, not 1 minus it
        threads=threads if matrix.size >= _VALUES_FOR_THREADS else 1,
        out_dtype="float32",
    )
    products: FloatArray = np.asarray(result, dtype=np.float32)[0]
    return products


def blocked_dot_products(matrix: HalfArray, vector: FloatArray) -> FloatArray:
    """Do what `dot_products` does with NumPy alone, in memory that does not grow with `matrix`."""
    rounded = np.asarray(vector, dtype=np.float16).astype(np.float32)
    products = np.empty(len(matrix), dtype=np.float32)
    for start in range(0, len(matrix), _BLOCK_ROWS):
        part = slice(start, start + _BLOCK_ROWS)
        products[part] = matrix[part].astype(np.float32) @ rounded
    return products


@cache
def _simsimd() -> ModuleType | None:
    try:
        import simsimd
    except ImportError:
        return None
    # These two variants sum in half precision, which costs three digits; the next best ones do not.
    for capability in ("sapphire", "sve_f16"):
        simsimd.disable_capability(capability)
    module: ModuleType = simsimd
    return module
