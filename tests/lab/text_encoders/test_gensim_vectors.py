from __future__ import annotations

import pickle
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")

from soundseek.errors import DataError
from soundseek.lab.text_encoders.gensim_vectors import _ALLOWED
from soundseek.lab.text_encoders.vector_files import read_vectors

pytestmark = pytest.mark.lab

WORDS = ["the", "dog", "Größe", "雨"]
VECTORS = np.random.default_rng(0).standard_normal((4, 6)).astype(np.float32)


@pytest.fixture
def key_class(monkeypatch: pytest.MonkeyPatch) -> type:
    """A class that pickles under the name of gensim's, whether gensim is there or not."""
    name = "gensim.models.keyedvectors"
    for parent in ("gensim", "gensim.models"):
        monkeypatch.setitem(sys.modules, parent, types.ModuleType(parent))
    module = types.ModuleType(name)
    kind = type("KeyedVectors", (), {"__module__": name})
    module.KeyedVectors = kind  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, name, module)
    return kind


def saved(kind: type, path: Path, protocol: int = 4, **state: Any) -> Path:
    keyed = kind()
    vars(keyed).update(state)
    path.write_bytes(pickle.dumps(keyed, protocol=protocol))
    return path


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("dtype", ["<f4", ">f4", "<f8", "<f2"])
def test_arrays_inside_the_pickle(
    key_class: type, tmp_path: Path, protocol: int, dtype: str
) -> None:
    path = saved(
        key_class,
        tmp_path / "kv",
        protocol,
        index_to_key=WORDS,
        vectors=VECTORS.astype(dtype),
        expandos={"count": np.arange(4), "more": {1, 2}, "sum": np.int64(6), "raw": b"\xff"},
        vocab={"dog": key_class()},
        __numpys=[],
    )
    table = read_vectors(path, {"dog", "雨", "absent"})
    assert table.words == ["dog", "雨"]
    np.testing.assert_array_equal(table.vectors, VECTORS[[1, 3]].astype(dtype).astype(np.float32))
    np.testing.assert_array_equal(read_vectors(path, [], first=2).vectors.shape, (2, 6))


def test_columns_first(key_class: type, tmp_path: Path) -> None:
    path = saved(key_class, tmp_path / "kv", index_to_key=WORDS, vectors=np.asfortranarray(VECTORS))
    np.testing.assert_array_equal(read_vectors(path).vectors, VECTORS)


@pytest.mark.parametrize(("name", "words"), [("vectors", "index_to_key"), ("syn0", "index2word")])
def test_an_array_beside_the_pickle(key_class: type, tmp_path: Path, name: str, words: str) -> None:
    path = saved(key_class, tmp_path / "kv", **{words: WORDS, "__numpys": [name]})
    with pytest.raises(DataError, match=rf"in kv\.{name}\.npy, which is missing"):
        read_vectors(path)
    np.save(tmp_path / f"kv.{name}.npy", VECTORS)
    table = read_vectors(path, ["the"])
    assert table.words == ["the"]
    np.testing.assert_array_equal(table.vectors, VECTORS[:1])
    (tmp_path / f"kv.{name}.npy").write_bytes(b"\x93NUMPY\x01\x00")
    with pytest.raises(DataError, match=f"its array '{name}' is damaged"):
        read_vectors(path)
    np.save(tmp_path / f"kv.{name}.npy", np.array([print, print]), allow_pickle=True)
    with pytest.raises(DataError, match=r"is damaged: .*Python objects in dtype"):
        read_vectors(path)


class _Calls:
    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> tuple[Any, ...]:
        return self.call


@pytest.mark.parametrize(
    ("function", "arguments", "place"),
    [
        (print, ("sprung",), "builtins.print"),
        (eval, ("print('sprung')",), "builtins.eval"),
        (getattr, (VECTORS, "tofile"), "builtins.getattr"),
        (np.load, ("x",), "numpy.load"),
        (types.SimpleNamespace, (), "types.SimpleNamespace"),
    ],
)
@pytest.mark.parametrize("protocol", [2, 4])
def test_a_pickle_that_would_call_something_is_refused(
    key_class: type,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    function: Any,
    arguments: tuple[Any, ...],
    place: str,
    protocol: int,
) -> None:
    path = saved(
        key_class,
        tmp_path / "kv",
        protocol,
        index_to_key=WORDS,
        vectors=_Calls(function, *arguments),
    )
    with pytest.raises(DataError, match=rf"would execute code when read: it asks for ({place})"):
        read_vectors(path)
    assert "sprung" not in capsys.readouterr().out


def opcodes(*parts: bytes) -> bytes:
    return b"\x80\x02" + b"".join(parts) + b"."


@pytest.mark.parametrize("place", [p for p in _ALLOWED if p.startswith(("gensim", "numpy", "_c"))])
def test_a_pickle_cannot_change_what_it_names(tmp_path: Path, place: str) -> None:
    """BUILD with a pair sets attributes of whatever is on the stack, classes included."""
    module, _, name = place.rpartition(".")
    stand_in = _ALLOWED[place]
    before = dict(vars(stand_in))
    for state in (b"}U\x04madeK\x01s", b"N}U\x04madeK\x01s\x86"):
        path = tmp_path / "kv"
        path.write_bytes(opcodes(f"c{module}\n{name}\n".encode(), state, b"b"))
        with pytest.raises(DataError):
            read_vectors(path)
    assert dict(vars(stand_in)) == before


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ({"vectors": VECTORS}, "has no list of words"),
        ({"index_to_key": [1, 2], "vectors": VECTORS}, "has no list of words"),
        ({"index_to_key": [*WORDS, "x"], "vectors": VECTORS}, r"5 words, but .* \(4, 6\)"),
        ({"index_to_key": WORDS, "vectors": VECTORS[0]}, r"but vectors of shape \(6,\)"),
        ({"index_to_key": WORDS, "vectors": VECTORS.astype(int)}, "and type int64"),
        ({"index_to_key": WORDS, "vectors": VECTORS * np.nan}, "'the' holds .* not finite"),
        ({"index_to_key": WORDS, "vectors": np.array([print])}, "would execute code|damaged"),
        ({"index_to_key": WORDS, "vectors": np.array(["a"])}, "damaged: an array of 'U1'"),
    ],
)
def test_what_is_no_table_is_refused(
    key_class: type, tmp_path: Path, state: dict[str, Any], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        read_vectors(saved(key_class, tmp_path / "kv", **state))


def test_other_objects_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "kv"
    path.write_bytes(pickle.dumps({"dog": [1.0, 2.0]}))
    with pytest.raises(DataError, match="holds no KeyedVectors"):
        read_vectors(path)


def test_a_pickle_cut_anywhere_is_an_error(key_class: type, tmp_path: Path) -> None:
    path = saved(key_class, tmp_path / "kv", index_to_key=WORDS, vectors=VECTORS)
    content = path.read_bytes()
    for cut in range(2, len(content) - 1, 7):
        path.write_bytes(content[:cut])
        with pytest.raises(DataError, match="damaged pickle"):
            read_vectors(path)


@pytest.mark.parametrize("beside", [False, True])
def test_files_that_gensim_wrote(tmp_path: Path, beside: bool) -> None:
    keyedvectors = pytest.importorskip("gensim.models.keyedvectors")
    keyed = keyedvectors.KeyedVectors(6)
    keyed.add_vectors(WORDS, VECTORS)
    keyed.expandos["count"] = np.arange(4)
    path = tmp_path / "vectors.kv"
    keyed.save(str(path), sep_limit=0 if beside else 10_000_000)
    assert (tmp_path / "vectors.kv.vectors.npy").exists() is beside
    for words, rows in ((None, [0, 1, 2, 3]), ({"雨", "dog"}, [1, 3])):
        table = read_vectors(path, words)
        assert table.words == [WORDS[row] for row in rows]
        np.testing.assert_array_equal(table.vectors, VECTORS[rows])


@pytest.mark.parametrize("binary", [False, True])
@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_word2vec_files_that_gensim_wrote(tmp_path: Path, binary: bool, suffix: str) -> None:
    keyedvectors = pytest.importorskip("gensim.models.keyedvectors")
    keyed = keyedvectors.KeyedVectors(6)
    keyed.add_vectors(WORDS, VECTORS)
    path = tmp_path / f"vectors.w2v{suffix}"
    keyed.save_word2vec_format(str(path), binary=binary)
    table = read_vectors(path)
    assert table.words == WORDS
    np.testing.assert_array_equal(table.vectors, VECTORS)
