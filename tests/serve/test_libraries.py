"""One library for many threads, while other processes change it."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from soundseek.errors import LibraryError
from soundseek.library import Library
from soundseek.serve import libraries as module
from soundseek.serve.libraries import Libraries


@pytest.fixture
def own(sounds: Path, library_folder: Path, tmp_path: Path) -> Path:
    """A library that may be changed."""
    return Path(shutil.copytree(library_folder, tmp_path / "own library"))


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Changes are seen at once."""
    monkeypatch.setattr(module, "_PATIENCE_S", 0.0)


def test_every_thread_has_a_library_of_its_own(library_folder: Path) -> None:
    lent: list[Library] = []
    together = threading.Barrier(4, timeout=30)

    def work() -> None:
        with libraries.borrowed() as library:
            lent.append(library)
            together.wait()

    libraries = Libraries(library_folder)
    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len({id(library) for library in lent}) == 4
    assert len({id(library.bundle) for library in lent}) == 1
    with libraries.borrowed() as again:
        assert again in lent
    libraries.close()


def test_few_stay_open(library_folder: Path) -> None:
    from contextlib import ExitStack

    libraries = Libraries(library_folder)
    with ExitStack() as stack:
        lent = [stack.enter_context(libraries.borrowed()) for _ in range(20)]
    assert len(libraries._opened.idle) == module._MOST_IDLE < len(lent)
    libraries.close()


def test_many_threads_find_the_same(served: Callable[..., TestClient]) -> None:
    client = served(concurrent_searches=8)
    texts = ["rain", "a dog", "wind", "a siren"] * 10

    def find(text: str) -> list[str]:
        hits = client.get("/api/v1/search", params={"q": text}).json()["hits"]
        return [hit["id"] for hit in hits]

    expected = {text: find(text) for text in set(texts)}
    with ThreadPoolExecutor(12) as pool:
        assert list(pool.map(find, texts)) == [expected[text] for text in texts]


@pytest.mark.usefixtures("impatient")
def test_what_another_process_indexes_is_found(
    own: Path, sounds: Path, tmp_path: Path, served: Callable[..., TestClient]
) -> None:
    client = served(own)
    assert client.get("/api/v1/clips").json()["total"] == 6
    assert client.get("/api/v1/search", params={"q": "rain"}).json()["total"] == 6
    more = tmp_path / "more"
    more.mkdir()
    data = (sounds / "weather/rain.wav").read_bytes()
    (more / "rain again.wav").write_bytes(data + b"\0\0")
    with Library.open(own) as library:
        library.index([more], threads=1)
    assert client.get("/api/v1/clips").json()["total"] == 7
    answer = client.get("/api/v1/search", params={"q": "rain"}).json()
    assert "rain again.wav" in [hit["name"] for hit in answer["hits"]]
    with Library.open(own) as library:
        library.remove([more])
    answer = client.get("/api/v1/search", params={"q": "rain"}).json()
    assert "rain again.wav" not in [hit["name"] for hit in answer["hits"]]
    assert client.get("/api/v1/clips").json()["total"] == 6


def test_a_library_that_was_made_anew_is_opened_anew(
    own: Path, sounds: Path, served: Callable[..., TestClient]
) -> None:
    client = served(own)
    assert client.get("/api/v1/search", params={"q": "rain"}).json()["total"] == 6
    shutil.rmtree(own)
    with Library.open(own, create=True) as library:
        library.index([sounds / "weather"], threads=1)
    assert client.get("/api/v1/search", params={"q": "rain"}).json()["total"] == 2


def test_a_library_of_another_model_is_opened_anew(
    own: Path, sounds: Path, tiny_bundle: Path, served: Callable[..., TestClient]
) -> None:
    client = served(own)
    with Library.open(own, bundle=tiny_bundle, rebuild=True) as library:
        library.index([sounds / "weather"], threads=1)
    assert client.get("/api/v1/status").json()["model"]["name"] == "tiny"
    assert client.get("/api/v1/search", params={"q": "noise"}).json()["total"] == 2


def test_a_library_that_is_gone_is_a_problem(own: Path, served: Callable[..., TestClient]) -> None:
    client = served(own)
    moved = own.rename(own.with_name("elsewhere"))
    answer = client.get("/api/v1/clips")
    assert (answer.status_code, answer.json()["title"]) == (503, "Service Unavailable")
    assert answer.json()["remedy"]
    moved.rename(own)
    assert client.get("/api/v1/clips").status_code == 200


def test_a_closed_one_lends_nothing(library_folder: Path) -> None:
    libraries = Libraries(library_folder)
    with libraries.borrowed() as library:
        libraries.close()
        assert library.database.revision() > 0  # what is lent is of use until it comes back
    libraries.close()
    with pytest.raises(LibraryError, match="is stopping"), libraries.borrowed():
        pass


def test_without_a_library_nothing_is_opened(tmp_path: Path) -> None:
    with pytest.raises(LibraryError, match="there is no library"):
        Libraries(tmp_path)
