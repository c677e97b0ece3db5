"""Which files go to a browser as they are."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import soundfile

from soundseek.audio.decode import probe
from soundseek.serve.playable import media_type, plays_as_it_is
from support.tiny_bundle import sine


def plays(path: Path) -> bool:
    info = probe(path)
    with path.open("rb") as handle:
        found = plays_as_it_is(
            handle, info.format, sample_rate=info.sample_rate, channels=info.channels
        )
        assert handle.tell() == 0
    return found


@pytest.mark.parametrize(
    ("kind", "subtype", "expected"),
    [
        ("WAV", "PCM_16", True),
        ("WAV", "PCM_24", True),
        ("WAV", "PCM_U8", True),
        ("WAV", "FLOAT", True),
        ("WAVEX", "PCM_16", True),
        ("WAV", "PCM_32", False),
        ("WAV", "DOUBLE", False),
        ("WAV", "IMA_ADPCM", False),
        ("WAV", "ULAW", False),
        ("RF64", "PCM_16", False),
        ("W64", "PCM_16", False),
        ("AIFF", "PCM_16", False),
        ("CAF", "PCM_16", False),
        ("AU", "PCM_16", False),
        ("FLAC", "PCM_24", True),
        ("OGG", "VORBIS", True),
        ("OGG", "OPUS", True),
        ("MP3", "MPEG_LAYER_III", True),
    ],
)
def test_by_what_is_in_it(tmp_path: Path, kind: str, subtype: str, expected: bool) -> None:
    path = tmp_path / "sound"
    with path.open("wb") as file:
        soundfile.write(file, sine(440, 0.5, 48_000), 48_000, format=kind, subtype=subtype)
    assert plays(path) is expected


@pytest.mark.parametrize(("rate", "channels"), [(400_000, 1), (1_000, 1), (48_000, 12)])
def test_unusual_rates_and_channels_are_transcoded(
    tmp_path: Path, rate: int, channels: int
) -> None:
    path = tmp_path / "sound.wav"
    soundfile.write(path, np.zeros((1000, channels), np.float32), rate)
    assert not plays(path)


@pytest.mark.skipif(find_spec("av") is None, reason="needs PyAV (extra `video`)")
@pytest.mark.parametrize(
    ("container", "codec", "name", "expected"),
    [
        ("ipod", "aac", "sound.m4a", True),
        ("ipod", "alac", "sound.m4a", False),
        ("webm", "libopus", "sound.webm", True),
        ("adts", "aac", "sound.aac", True),
        ("matroska", "libopus", "sound.mka", False),
    ],
)
def test_containers(tmp_path: Path, container: str, codec: str, name: str, expected: bool) -> None:
    import av

    path = tmp_path / name
    with av.open(str(path), "w", format=container) as file:
        stream = file.add_stream(codec, rate=48_000, layout="mono")
        context = stream.codec_context
        resampler = av.AudioResampler(
            context.format.name, "mono", 48_000, frame_size=context.frame_size or 1024
        )
        frame = av.AudioFrame.from_ndarray(
            sine(440, 0.5, 48_000).reshape(1, -1), format="flt", layout="mono"
        )
        frame.sample_rate = 48_000
        for ready in (*resampler.resample(frame), *resampler.resample(None)):
            file.mux(stream.encode(ready))
        file.mux(stream.encode(None))
    assert plays(path) is expected


def test_damaged_files_are_not_sent_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "sound"
    path.write_bytes(b"RIFF and nothing else")
    with path.open("rb") as handle:
        for word in ("wav", "ogg", "m4a", "webm", "other"):
            assert not plays_as_it_is(handle, word, sample_rate=48_000, channels=1)


def test_no_type_can_hold_a_script() -> None:
    for word in ("html", "svg", "xml", "", "../wav"):
        assert media_type(word) == "application/octet-stream"
    assert media_type("wav") == "audio/wav"
