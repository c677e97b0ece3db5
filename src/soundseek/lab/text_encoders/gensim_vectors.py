"""gensim's own word-vector files (`KeyedVectors.save`), read without gensim and without trust.

Such a file is a pickle, which could call anything. Here it makes plain containers, and stand-ins
for arrays and for gensim's classes that only hold what they are given; the arrays are made of them
afterwards.
"""

from __future__ import annotations

import pickle
import struct
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from soundseek.errors import DataError
from soundseek.lab.text_encoders.word_table import Wanted, WordTable, checked_table

_SAVE_AGAIN = "save it with `vectors.save_word2vec_format(path, binary=True)` where you trust it"
_DAMAGE = (
    pickle.UnpicklingError,
    EOFError,
    AttributeError,
    ImportError,
    LookupError,
    TypeError,
    ValueError,
    OverflowError,
    MemoryError,
    RecursionError,
    struct.error,
)


class _Sealed(type):
    """A class that a pickle cannot change: it may set attributes of whatever it can name."""

    def __setattr__(cls, name: str, value: object) -> None:
        raise pickle.UnpicklingError(f"an attribute {name!r} of a class")


class _Object(metaclass=_Sealed):
    """In the place of gensim's classes: attributes and nothing else."""


class _Number(metaclass=_Sealed):
    """In the place of a NumPy scalar (a word's count), which nothing here needs."""

    def __init__(self, *of: object) -> None:
        pass


class _Bytes(metaclass=_Sealed):
    """`_codecs.encode`, with which the older pickle protocols write bytes."""

    def __new__(cls, text: str, encoding: str = "latin1") -> Any:
        if encoding != "latin1":
            raise ValueError(f"bytes in the encoding {encoding!r}")
        return text.encode("latin1")


class _Dtype(metaclass=_Sealed):
    """In the place of a NumPy type of plain numbers."""

    def __init__(self, code: str, *flags: object) -> None:
        self.code = code
        self.order = "="

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.order = state[1]

    def made(self) -> np.dtype[Any]:
        kind = np.dtype(self.code)
        if kind.kind not in "biuf":
            raise ValueError(f"an array of {self.code!r}")
        return kind.newbyteorder(">" if self.order == ">" else "<")


class _Array(metaclass=_Sealed):
    """In the place of a NumPy array, made by `_reconstruct` and then given its state."""

    def __init__(self, *of: object) -> None:
        self.state: tuple[Any, ...] = ()

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.state = state

    def made(self) -> NDArray[Any]:
        _, shape, kind, by_column, data = self.state
        values = np.frombuffer(data, kind.made())
        return values.reshape(shape, order="F" if by_column else "C")


class _Buffer(_Array):
    """In the place of a NumPy array as the newest pickle protocol writes it."""

    def __init__(self, data: Any, kind: _Dtype, shape: tuple[int, ...], order: str) -> None:
        super().__init__()
        self.state = (1, shape, kind, order == "F", data)


_ALLOWED: Final[Mapping[str, Any]] = {
    **{
        f"gensim.models.{name}": _Object
        for name in (
            "keyedvectors.KeyedVectors",
            "keyedvectors.Word2VecKeyedVectors",
            "keyedvectors.EuclideanKeyedVectors",
            "keyedvectors.WordEmbeddingsKeyedVectors",
            "keyedvectors.BaseKeyedVectors",
            "keyedvectors.Vocab",
            "keyedvectors.CompatVocab",
            "keyedvectors.SimpleVocab",
        )
    },
    **{
        f"numpy.{core}.{name}": stand_in
        for core in ("core", "_core")
        for name, stand_in in (
            ("multiarray._reconstruct", _Array),
            ("multiarray.scalar", _Number),
            ("numeric._frombuffer", _Buffer),
        )
    },
    "numpy.ndarray": _Array,
    "numpy.dtype": _Dtype,
    "_codecs.encode": _Bytes,
    "builtins.set": set,
    "builtins.frozenset": frozenset,
    "builtins.bytearray": bytearray,
    "collections.OrderedDict": OrderedDict,
}


class _RefusedError(pickle.UnpicklingError):
    """A pickle that asks for something which is not in the list."""


class _Restricted(pickle.Unpickler):
    """Constructs what is in `_ALLOWED` and nothing else."""

    def find_class(self, module: str, name: str) -> Any:
        # Python 2's name for it, which the older protocols keep.
        place = f"{'builtins' if module == '__builtin__' else module}.{name}"
        if place not in _ALLOWED:
            raise _RefusedError(place)
        return _ALLOWED[place]


def read_gensim(path: Path, wanted: Wanted) -> WordTable:
    """Read the rows that are `wanted` from a file of `KeyedVectors.save`.

    A large array stands beside it (`NAME.vectors.npy`) and is mapped, not loaded.

    Raises `DataError` when the pickle would construct anything else, is damaged, or does not hold
    word vectors, and when the array beside it is missing, damaged or of another shape.
    """
    try:
        with path.open("rb") as stream:
            saved = _Restricted(stream).load()
    except _RefusedError as error:
        raise DataError(
            f"{path} would execute code when read: it asks for {error}", remedy=_SAVE_AGAIN
        ) from error
    except _DAMAGE as error:
        raise DataError(
            f"{path} is a damaged pickle: {error}", remedy="download it again, or " + _SAVE_AGAIN
        ) from error
    if not isinstance(saved, _Object):
        raise DataError(f"{path} holds no KeyedVectors of gensim", remedy=_SAVE_AGAIN)
    state = vars(saved)
    # gensim had other names before its version 4.
    words = state.get("index_to_key", state.get("index2word", state.get("index2entity")))
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise DataError(f"{path} has no list of words", remedy=_SAVE_AGAIN)
    vectors = _vectors(path, state)
    if vectors.ndim != 2 or len(vectors) < len(words) or vectors.dtype.kind != "f":
        raise DataError(
            f"{path}: {len(words)} words, but vectors of shape {vectors.shape} and type"
            f" {vectors.dtype}",
            remedy="take both files from one place",
        )
    kept: list[bytes] = []
    rows: list[NDArray[np.float32]] = []
    for row, word in enumerate(words):
        key = word.encode("utf-8", "surrogatepass")
        if wanted(row, key):
            kept.append(key)
            rows.append(np.array(vectors[row], np.float32))
    return checked_table(path, kept, rows, vectors.shape[1])


def _vectors(path: Path, state: Mapping[str, Any]) -> NDArray[Any]:
    """The array inside the pickle or beside it."""
    name = "syn0" if "syn0" in state or "syn0" in state.get("__numpys", ()) else "vectors"
    beside = path.with_name(f"{path.name}.{name}.npy")
    try:
        if isinstance(inside := state.get(name), _Array):
            return inside.made()
        mapped: NDArray[Any] = np.load(beside, mmap_mode="r", allow_pickle=False)
        return mapped
    except FileNotFoundError as error:
        raise DataError(
            f"{path} has its vectors in {beside.name}, which is missing",
            remedy="put the two files into one folder",
        ) from error
    except _DAMAGE as error:
        raise DataError(
            f"{path}: its array {name!r} is damaged: {error}", remedy="download both files again"
        ) from error
