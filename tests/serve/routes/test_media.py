"""Sound, peaks and pictures over HTTP: ranges, validators, transcoding, and only what is held."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
import pytest

pytest.importorskip("fastapi")

import soundfile
from fastapi.testclient import TestClient
from httpx2 import Response

from soundseek.library import Library
from soundseek.serve import media
from support.tiny_bundle import noise, sine

API = "/api/v1/clips"
NEEDS_AV = pytest.mark.skipif(find_spec("av") is None, reason="needs PyAV (extra `video`)")


class Own:
    """A library that a test may change."""

    def __init__(self, folder: Path, bundle: Path, served: Callable[..., TestClient]) -> None:
        self.sounds = folder / "sounds"
        self.sounds.mkdir()
        self.library = folder / "library"
        self._bundle, self._served = bundle, served

    def write(self, name: str, samples: np.ndarray, rate: int = 16_000, **more: str) -> Path:
        path = self.sounds / name
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, samples, rate, **more)
        return path

    def serve(self, **settings: object) -> TestClient:
        with Library.open(self.library, bundle=self._bundle, create=True) as library:
            library.index([self.sounds], threads=1)
        return self._served(folder=self.library, **settings)

    def id(self, path: Path) -> str:
        with Library.open(self.library, read_only=True) as library:
            rows = library.database.query(
                "SELECT id FROM files WHERE path = ?", (os.fsencode(path),)
            )
        return str(rows[0][0])


@pytest.fixture
def own(tmp_path: Path, tiny_bundle: Path, served: Callable[..., TestClient]) -> Own:
    """A library of the test's own, without sounds."""
    return Own(tmp_path, tiny_bundle, served)


def problem(response: Response, status: int) -> dict[str, Any]:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    document: dict[str, Any] = response.json()
    assert document["status"] == status
    return document


@pytest.mark.parametrize("name", ["weather/rain.wav", "weather/wind.flac", "animals/dog_bark.ogg"])
def test_what_browsers_play_goes_out_as_it_is(
    client: TestClient, ids: dict[str, str], sounds: Path, name: str
) -> None:
    answer = client.get(f"{API}/{ids[name]}/audio")
    assert answer.status_code == 200
    assert answer.content == (sounds / name).read_bytes()
    assert (
        answer.headers["content-type"]
        == {
            ".wav": "audio/wav",
            ".flac": "audio/flac",
            ".ogg": "audio/ogg",
        }[Path(name).suffix]
    )
    assert answer.headers["accept-ranges"] == "bytes"
    assert int(answer.headers["content-length"]) == len(answer.content)


@pytest.mark.parametrize(
    ("written", "part"),
    [
        ("bytes=0-99", slice(0, 100)),
        ("bytes=1000-", slice(1000, None)),
        ("bytes=-500", slice(-500, None)),
        ("bytes=250000-99999999", slice(250_000, None)),
    ],
)
def test_ranges(
    client: TestClient, ids: dict[str, str], sounds: Path, written: str, part: slice
) -> None:
    whole = (sounds / "weather/rain.wav").read_bytes()
    answer = client.get(f"{API}/{ids['weather/rain.wav']}/audio", headers={"range": written})
    assert answer.status_code == 206
    assert answer.content == whole[part]
    start = part.indices(len(whole))[0]
    end = start + len(answer.content) - 1
    assert answer.headers["content-range"] == f"bytes {start}-{end}/{len(whole)}"
    assert int(answer.headers["content-length"]) == len(answer.content)


def test_ranges_that_are_none(client: TestClient, ids: dict[str, str]) -> None:
    address = f"{API}/{ids['weather/rain.wav']}/audio"
    for written in ("bytes=5-2", "lines=1-2", "bytes=0-1,4-5", "nonsense"):
        assert client.get(address, headers={"range": written}).status_code == 200
    refused = client.get(address, headers={"range": "bytes=99999999-"})
    problem(refused, 416)
    assert re.fullmatch(r"bytes \*/\d+", refused.headers["content-range"])


def test_validators(client: TestClient, ids: dict[str, str]) -> None:
    address = f"{API}/{ids['weather/rain.wav']}/audio"
    first = client.get(address)
    etag, modified = first.headers["etag"], first.headers["last-modified"]
    for headers in ({"if-none-match": etag}, {"if-modified-since": modified}):
        again = client.get(address, headers=headers)
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["etag"] == etag
        assert "content-length" not in again.headers
    part = {"range": "bytes=0-9"}
    for value, status in {etag: 206, modified: 206, '"x"': 200, f"W/{etag}": 200}.items():
        assert client.get(address, headers={**part, "if-range": value}).status_code == status
    problem(client.get(address, headers={"if-match": '"x"'}), 412)
    other = client.get(address, params={"as": "wav"}).headers["etag"]
    assert other != etag


@pytest.mark.parametrize("wanted", ["auto", "original", "wav"])
def test_head_says_what_get_would(client: TestClient, ids: dict[str, str], wanted: str) -> None:
    address = f"{API}/{ids['weather/wind.flac']}/audio"
    get = client.get(address, params={"as": wanted})
    head = client.head(address, params={"as": wanted}, headers={"range": "bytes=0-9"})
    assert (head.status_code, head.content) == (200, b"")
    for name in ("content-type", "content-length", "etag", "last-modified", "accept-ranges"):
        assert head.headers[name] == get.headers[name]


def test_what_browsers_do_not_play_is_transcoded_once(
    own: Own, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = own.write("tone.aiff", np.stack([sine(440, 2.0), sine(440, 2.0)], axis=1))
    client = own.serve()
    address = f"{API}/{own.id(path)}/audio"
    answer = client.get(address)
    opus = find_spec("av") is not None
    expected = "audio/webm; codecs=opus" if opus else "audio/wav"
    assert answer.headers["content-type"] == expected
    assert f"tone.{'webm' if opus else 'wav'}" in answer.headers["content-disposition"]
    monkeypatch.setattr(media.transcode, "channel_blocks", None)
    part = client.get(address, headers={"range": "bytes=10-19"})
    assert (part.status_code, part.content) == (206, answer.content[10:20])


def test_wav_when_asked_for(own: Own) -> None:
    path = own.write("tone.aiff", sine(440, 1.0), subtype="PCM_24")
    answer = own.serve().get(f"{API}/{own.id(path)}/audio", params={"as": "wav"})
    assert answer.headers["content-type"] == "audio/wav"
    assert answer.content[:4] == b"RIFF"


def test_without_pyav(own: Own, monkeypatch: pytest.MonkeyPatch) -> None:
    path = own.write("tone.aiff", sine(440, 1.0))
    client = own.serve()
    monkeypatch.setitem(sys.modules, "av", None)
    address = f"{API}/{own.id(path)}/audio"
    assert client.get(address).headers["content-type"] == "audio/wav"
    refused = problem(client.get(address, params={"as": "opus"}), 406)
    assert "soundseek[video]" in str(refused["remedy"])


def test_download_is_the_original_with_its_name(client: TestClient, ids: dict[str, str]) -> None:
    answer = client.get(f"{API}/{ids['doorbell é ✓.wav']}/audio", params={"download": 1})
    told = answer.headers["content-disposition"]
    assert told.startswith("attachment; ")
    name = re.search(r"filename\*=UTF-8''(\S+)", told)
    assert name is not None
    assert unquote(name[1]) == "doorbell é ✓.wav"


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="such names are refused there")
@pytest.mark.parametrize("raw", [b'a"; filename=evil.html\r\nx.wav', b"\xff\xfe.wav", b"%41\\.wav"])
def test_names_cannot_steer_the_headers(own: Own, raw: bytes) -> None:
    path = Path(os.fsdecode(os.fsencode(own.sounds) + b"/" + raw))
    with open(path, "wb") as file:  # noqa: PTH123
        soundfile.write(file, noise(0.5), 16_000, format="WAV")
    answer = own.serve().get(f"{API}/{own.id(path)}/audio", params={"download": 1})
    told = answer.headers["content-disposition"]
    assert re.fullmatch(
        r"""attachment; filename="[^"\\%]*"(; filename\*=UTF-8''[A-Za-z0-9%._~-]+)?""", told
    )


@pytest.mark.parametrize("part", ["audio", "peaks", "spectrogram.png"])
def test_only_ids_lead_to_files(
    client: TestClient, ids: dict[str, str], sounds: Path, part: str
) -> None:
    for bad in ("-1", "1.0", "+1", "0x1", "1e3", "٣", " 1", "1 ", "9" * 30, "%00", "01"):
        problem(client.get(f"{API}/{bad}/{part}"), 422)
    problem(client.get(f"{API}/999999/{part}"), 404)
    inside = "weather/rain.wav"
    for bad in (
        f"../../{inside}",
        "..%2f..%2fetc%2fpasswd",
        "%2e%2e/%2e%2e/etc/passwd",
        "..%252f..%252fetc%252fpasswd",
        "....//etc/passwd",
        f"{ids[inside]}/../{ids[inside]}%00",
        str(sounds / inside).replace("/", "%2F"),
        "C:%5CWindows%5Cwin.ini",
    ):
        assert client.get(f"{API}/{bad}/{part}").status_code in (404, 422)


def test_a_file_that_changed_or_went_away(own: Own) -> None:
    path = own.write("tone.wav", sine(440, 1.0))
    client = own.serve()
    clip = own.id(path)
    assert client.get(f"{API}/{clip}/peaks").status_code == 200  # cached from here on
    own.write("tone.wav", sine(880, 1.5))
    for part in ("audio", "peaks", "spectrogram.png", "audio?as=wav"):
        assert "index" in str(problem(client.get(f"{API}/{clip}/{part}"), 409)["remedy"])
    path.unlink()
    assert client.get(f"{API}/{clip}/audio").status_code in (404, 409)


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
@pytest.mark.parametrize("what", ["file", "folder"])
def test_a_link_swapped_in_after_indexing(own: Own, tmp_path: Path, what: str) -> None:
    path = own.write("folder/tone.wav", sine(440, 1.0))
    before = path.stat()
    client = own.serve()
    clip = own.id(path)
    outside = tmp_path / "outside" / "tone.wav"
    outside.parent.mkdir()
    outside.write_bytes(b"S" * before.st_size)  # a secret of the same size and time
    os.utime(outside, ns=(before.st_atime_ns, before.st_mtime_ns))
    if what == "file":
        path.unlink()
        path.symlink_to(outside)
    else:
        path.unlink()
        path.parent.rmdir()
        path.parent.symlink_to(outside.parent)
    for part in ("audio", "audio?as=original", "audio?download=1", "peaks", "spectrogram.png"):
        answer = client.get(f"{API}/{clip}/{part}")
        problem(answer, 409)
        assert b"SSSS" not in answer.content


def test_a_file_that_could_not_be_read_is_not_served(own: Own) -> None:
    own.write("tone.wav", sine(440, 1.0))
    bad = own.sounds / "bad.wav"
    bad.write_bytes(b"no sound" * 100)
    client = own.serve()
    for part in ("audio", "audio?download=1", "peaks"):
        problem(client.get(f"{API}/{own.id(bad)}/{part}"), 404)


def test_a_change_while_it_is_transcoded_is_not_cached(
    own: Own, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = own.write("tone.aiff", sine(440, 1.0))
    client = own.serve()
    original = media.transcode.write_wav

    def changes(source: Path, out: object) -> None:
        original(source, out)  # type: ignore[arg-type]
        own.write("tone.aiff", sine(880, 2.0))

    monkeypatch.setattr(media.transcode, "write_wav", changes)
    problem(client.get(f"{API}/{own.id(path)}/audio", params={"as": "wav"}), 409)
    assert not list((own.library / "cache" / "serve").glob("*"))


def test_peaks(own: Own) -> None:
    path = own.write("tone.wav", np.concatenate([sine(440, 1.0), np.zeros(16_000, np.float32)]))
    answer = own.serve().get(f"{API}/{own.id(path)}/peaks", params={"bins": 200}).json()
    assert answer["bins"] == len(answer["min"]) == len(answer["max"]) == 200
    assert answer["duration_s"] == 2.0
    assert set(answer["max"][:99]) <= {62, 63, 64}
    assert set(answer["min"][:99]) <= {-62, -63, -64}
    assert not any(answer["max"][101:])


def test_peaks_of_a_very_short_sound(own: Own) -> None:
    path = own.write("tick.wav", np.full(30, 0.5, np.float32))
    answer = own.serve().get(f"{API}/{own.id(path)}/peaks", params={"bins": 300}).json()
    assert len(answer["max"]) == 300
    assert min(answer["max"]) > 50


@pytest.mark.parametrize("bins", ["199", "4001", "x", ""])
def test_bins_out_of_bounds(client: TestClient, ids: dict[str, str], bins: str) -> None:
    problem(client.get(f"{API}/{ids['weather/rain.wav']}/peaks", params={"bins": bins}), 422)


def test_peaks_decode_once(
    client: TestClient, ids: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    address = f"{API}/{ids['weather/rain.wav']}/peaks"
    wide = client.get(address, params={"bins": 4000}).json()
    monkeypatch.setattr(media, "_blocks", None)
    narrow = client.get(address, params={"bins": 400}).json()
    assert narrow["max"] == [max(wide["max"][at : at + 10]) for at in range(0, 4000, 10)]


def test_spectrogram(client: TestClient, ids: dict[str, str]) -> None:
    address = f"{API}/{ids['machines/siren.wav']}/spectrogram.png"
    answer = client.get(address, params={"width": 300, "height": 64})
    assert answer.headers["content-type"] == "image/png"
    assert answer.content[:8] == b"\x89PNG\r\n\x1a\n"
    assert answer.content[16:24] == (300).to_bytes(4, "big") + (64).to_bytes(4, "big")
    again = client.get(
        address,
        params={"width": 300, "height": 64},
        headers={"if-none-match": answer.headers["etag"]},
    )
    assert (again.status_code, again.content) == (304, b"")
    problem(client.get(address, params={"width": 100_000}), 422)


def test_what_is_cached_stays_within_bounds(own: Own) -> None:
    paths = [own.write(f"{n}.aiff", noise(1.0, seed=n)) for n in range(6)]
    client = own.serve(media_cache_bytes=100_000)
    for path in paths:
        assert client.get(f"{API}/{own.id(path)}/audio?as=wav").status_code == 200
    kept = [path.stat().st_size for path in (own.library / "cache" / "serve").iterdir()]
    assert 0 < sum(kept) <= 100_000
