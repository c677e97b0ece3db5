"""Untrusted sound: crafted files end in an error, within the limits, and touch nothing else."""

from __future__ import annotations

import io
import os
import socket
import struct
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from soundseek.audio.decode import read
from soundseek.errors import AudioError
from soundseek.serve import sandbox, sandbox_protocol
from soundseek.serve.sandbox import Limits, decode_untrusted
from support.tiny_bundle import noise, sine

RATE = 16_000
ON_POSIX = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limits")


def wav_header(*, rate: int = 48_000, channels: int = 1, n_bytes: int = 1 << 31) -> bytes:
    """The header of a 16-bit WAV that promises whatever is asked for."""
    align = channels * 2 & 0xFFFF
    form = struct.pack("<HHIIHH", 1, channels, rate, rate * align & 0xFFFFFFFF, align, 16)
    data = b"data" + struct.pack("<I", n_bytes)
    chunks = b"WAVEfmt " + struct.pack("<I", 16) + form + data
    return b"RIFF" + struct.pack("<I", n_bytes + 36) + chunks


@pytest.mark.parametrize(("suffix", "rate"), [("WAV", 16_000), ("FLAC", 44_100), ("OGG", 8_000)])
def test_equals_the_decoder(tmp_path: Path, suffix: str, rate: int) -> None:
    path = tmp_path / "sound"
    stereo = np.stack([sine(440, 2.0, rate), noise(2.0, rate)], axis=1)
    soundfile.write(path, stereo, rate, format=suffix)
    found = decode_untrusted(path, RATE, Limits())
    np.testing.assert_array_equal(found, read(path, RATE)[0])


def test_long_sounds_arrive_whole(tmp_path: Path) -> None:
    path = tmp_path / "sound"
    soundfile.write(path, noise(60.0), RATE, format="WAV", subtype="FLOAT")
    assert decode_untrusted(path, RATE, Limits()).size == 60 * RATE


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["FLAC", "OPUS"])
def test_a_bomb_is_cut_off(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "sound"
    shape = {"format": "OGG", "subtype": "OPUS"} if kind == "OPUS" else {"format": "FLAC"}
    with soundfile.SoundFile(path, "w", 48_000, 1, **shape) as file:
        for _ in range(30):
            file.write(np.zeros(48_000 * 60, np.int16))
    assert path.stat().st_size < 1 << 20  # half an hour
    started = time.monotonic()
    with pytest.raises(AudioError, match="longer than 60 s") as refused:
        decode_untrusted(path, 32_000, Limits(duration_s=60))
    assert time.monotonic() - started < 15
    assert refused.value.remedy


def test_resampling_cannot_make_a_bomb(tmp_path: Path) -> None:
    path = tmp_path / "sound"
    path.write_bytes(wav_header(rate=100, n_bytes=200_000) + bytes(200_000))
    with pytest.raises(AudioError, match="longer than 60 s"):  # 1000 s at 100 Hz
        decode_untrusted(path, 32_000, Limits(duration_s=60))


@pytest.mark.parametrize(
    "content",
    [
        wav_header(rate=0) + bytes(1000),
        wav_header(rate=4_294_967_295) + bytes(1000),
        wav_header(channels=0) + bytes(1000),
        wav_header(channels=65_535) + bytes(200_000),
        wav_header()[:30],
        b"RIFF\xff\xff\xff\xffWAVE",
        b"fLaC" + b"\xff" * 500,
        b"OggS" + b"\x00" * 500,
        b"ID3\x04\x00\x00\x7f\x7f\x7f\x7f",
        b"FORM\x7f\xff\xff\xffAIFFCOMM" + b"\xff" * 60,
        b"\x1aE\xdf\xa3" + b"\xff" * 200,
        b"\x00" * 5000,
        bytes(range(256)) * 40,
        b"\x00\x00\x00\x18ftypM4A \x00\x00\x00\x00" + b"\xff" * 100,
    ],
    ids=range(14),
)
def test_crafted_headers(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "sound"
    path.write_bytes(content)
    with pytest.raises(AudioError) as refused:
        decode_untrusted(path, RATE, Limits(seconds=10))
    assert str(tmp_path) not in refused.value.message


def test_a_truncated_file_gives_what_is_there(tmp_path: Path) -> None:
    path = tmp_path / "sound"
    path.write_bytes(wav_header(rate=RATE) + bytes(RATE * 2))
    assert decode_untrusted(path, RATE, Limits()).size == RATE


@pytest.mark.parametrize("name", ["sound", "bomb.wav"])
def test_a_zip_bomb(tmp_path: Path, name: str) -> None:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("sound.wav", bytes(50 << 20))
    path = tmp_path / name
    path.write_bytes(content.getvalue())
    with pytest.raises(AudioError):
        decode_untrusted(path, RATE, Limits())


@pytest.fixture
def listener() -> Iterator[tuple[int, list[bytes]]]:
    """A port of this machine, and what was sent to it."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.1)
        heard: list[bytes] = []
        over = threading.Event()

        def listen() -> None:
            while not over.is_set():
                try:
                    connection, _ = server.accept()
                except TimeoutError:
                    continue
                with connection:
                    heard.append(connection.recv(1000))

        thread = threading.Thread(target=listen)
        thread.start()
        yield server.getsockname()[1], heard
        over.set()
        thread.join()


PLAYLISTS = {
    "m3u8 of a file": "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{secret}\n#EXT-X-ENDLIST\n",
    "m3u8 of a file address": "#EXTM3U\n#EXTINF:9,\nfile://{secret}\n#EXT-X-ENDLIST\n",
    "m3u8 of the network": "#EXTM3U\n#EXTINF:9,\nhttp://127.0.0.1:{port}/a.ts\n#EXT-X-ENDLIST\n",
    "m3u8 of a concat": "#EXTM3U\n#EXTINF:9,\nconcat:{secret}|{secret}\n#EXT-X-ENDLIST\n",
    "m3u8 with a key": '#EXTM3U\n#EXT-X-KEY:METHOD=AES-128,URI="http://127.0.0.1:{port}/k"\n'
    "#EXTINF:9,\ncrypto:{secret}\n#EXT-X-ENDLIST\n",
    "ffconcat": "ffconcat version 1.0\nfile '{secret}'\n",
    "ffconcat of the network": "ffconcat version 1.0\nfile 'http://127.0.0.1:{port}/a.wav'\n",
    "sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\n"
    "m=audio {port} RTP/AVP 0\n",
    "m3u": "{secret}\n",
    "pls": "[playlist]\nFile1={secret}\n",
    "asx": '<asx version="3.0"><entry><ref href="http://127.0.0.1:{port}/a"/></entry></asx>',
    "dash": '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" '
    'mediaPresentationDuration="PT9S" profiles="urn:mpeg:dash:profile:isoff-on-demand:2011">'
    '<Period><AdaptationSet mimeType="audio/mp4"><Representation id="1" bandwidth="1">'
    "<BaseURL>http://127.0.0.1:{port}/a.mp4</BaseURL></Representation></AdaptationSet></Period>"
    "</MPD>",
    "smil": '<smil><body><audio src="http://127.0.0.1:{port}/a.wav"/></body></smil>',
    "rtsp": "rtsptext\nrtsp://127.0.0.1:{port}/a\n",
}


@pytest.mark.parametrize("kind", PLAYLISTS)
def test_playlists_open_nothing(
    tmp_path: Path, kind: str, listener: tuple[int, list[bytes]]
) -> None:
    port, heard = listener
    secret = tmp_path / "secret.wav"
    soundfile.write(secret, noise(1.0), RATE)
    path = tmp_path / "sound"
    path.write_text(PLAYLISTS[kind].format(secret=secret, port=port))
    with pytest.raises(AudioError):
        decode_untrusted(path, RATE, Limits(seconds=10))
    assert heard == []


def test_time_is_limited(tmp_path: Path) -> None:
    path = tmp_path / "sound"
    soundfile.write(path, noise(60.0), RATE, format="WAV")
    started = time.monotonic()
    with pytest.raises(AudioError, match=r"takes more than 0\.01 s"):
        decode_untrusted(path, RATE, Limits(seconds=0.01))
    assert time.monotonic() - started < 5


@ON_POSIX
def test_a_pipe_in_place_of_the_sound_does_not_hold_it(tmp_path: Path) -> None:
    path = tmp_path / "sound"
    os.mkfifo(path)
    with pytest.raises(AudioError):
        decode_untrusted(path, RATE, Limits(seconds=5))


LIMITED = """
import sys, os, socket, subprocess
from soundseek.serve.sandbox_child import limit_resources
assert limit_resources(600 << 20, 1.0)
what = sys.argv[1]
try:
    if what == "memory":
        kept = bytearray(700 << 20)
    elif what == "write":
        with open(sys.argv[2], "wb") as file:
            file.write(b"x" * 100_000)
    elif what == "files":
        kept = [open(os.devnull) for _ in range(100)]
    elif what == "time":
        while True:
            pass
except (MemoryError, OSError) as error:
    print(type(error).__name__)
    sys.exit(3)
"""


@ON_POSIX
@pytest.mark.parametrize("what", ["memory", "write", "files", "time"])
def test_the_process_limits_itself(tmp_path: Path, what: str) -> None:
    target = tmp_path / "written"
    command = [sys.executable, "-c", LIMITED, what, str(target)]
    done = subprocess.run(command, capture_output=True, timeout=30, check=False)
    assert done.returncode == 3 or done.returncode < 0, done.stderr
    assert not target.exists() or target.stat().st_size == 0


@ON_POSIX
def test_too_little_memory_is_an_answer(tmp_path: Path) -> None:
    path = tmp_path / "sound"
    path.write_bytes(wav_header(channels=1000) + bytes(1 << 20))
    with pytest.raises(AudioError):
        decode_untrusted(path, RATE, Limits(memory_bytes=200 << 20))


def test_nothing_secret_is_handed_down(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SOUNDSEEK_TOKEN", "secret")
    assert "secret" not in sandbox._environment(str(tmp_path)).values()


def test_its_folder_is_gone_afterwards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import tempfile

    own = tmp_path / "temporary"
    own.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(own))
    path = tmp_path / "sound"
    path.write_bytes(b"nothing")
    with pytest.raises(AudioError):
        decode_untrusted(path, RATE, Limits())
    assert list(own.iterdir()) == []


LYING = {
    "too long": b"S" + struct.pack("<I", 1 << 31),
    "unknown kind": b"X" + struct.pack("<I", 4) + b"abcd",
    "cut off": b"S" + struct.pack("<I", 100) + b"abcd",
    "odd samples": b"S" + struct.pack("<I", 3) + b"abc" + b"D" + struct.pack("<I", 0),
    "not finite": b"S" + struct.pack("<I", 4) + b"\xff\xff\xff\xff" + b"D" + struct.pack("<I", 0),
    "no words": b"F" + struct.pack("<I", 2) + b"[]",
    "no JSON": b"F" + struct.pack("<I", 2) + b"\xff\xff",
    "nothing": b"",
}


@pytest.mark.parametrize("kind", LYING)
def test_a_process_that_was_taken_over_is_not_believed(kind: str) -> None:
    with pytest.raises(sandbox._Broken):
        sandbox._received(io.BytesIO(LYING[kind]), 1000, Limits())


def test_more_samples_than_allowed_are_not_kept() -> None:
    stream = io.BytesIO()
    for _ in range(3):
        sandbox_protocol.send(stream, sandbox_protocol.SAMPLES, bytes(4000))
    stream.seek(0)
    with pytest.raises(AudioError, match="longer than"):
        sandbox._received(stream, 1500, Limits())
