"""What only FFmpeg reads, and what it must not be able to do."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from soundseek.audio import decode_pyav
from soundseek.audio.decode import probe, read, stream
from soundseek.audio.source import DecoderFailure
from soundseek.errors import AudioError

pytest.importorskip("av")
RATE = 44_100
Encode = Callable[..., Path]


@pytest.mark.parametrize(
    ("name", "codec", "rate", "picture", "word"),
    [
        ("a.m4a", "aac", RATE, False, "m4a"),
        ("a.mp4", "aac", RATE, True, "mp4"),
        ("a.mkv", "aac", RATE, True, "mkv"),
        ("a.webm", "libopus", 48_000, False, "webm"),
        ("a.wma", "wmav2", RATE, False, "wma"),
        ("a.aac", "aac", RATE, False, "aac"),
    ],
)
def test_formats(
    encode: Encode,
    stereo: np.ndarray,
    name: str,
    codec: str,
    rate: int,
    picture: bool,
    word: str,
) -> None:
    path = encode(name, stereo, codec, rate=rate, picture=picture)
    info = probe(path)
    assert (info.format, info.sample_rate, info.channels) == (word, rate, 2)
    assert info.duration_s == pytest.approx(len(stereo) / rate, abs=0.1)
    got, got_rate = read(path)
    assert got_rate == rate
    assert got.size == pytest.approx(len(stereo), abs=4096)
    assert got.std() == pytest.approx(stereo.mean(axis=1).std(), rel=0.05)
    joined = np.concatenate(list(stream(path, 16_000, 0.3)))
    np.testing.assert_allclose(joined, read(path, 16_000)[0], rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "codec", "rate"), [("a.m4a", "aac", RATE), ("a.webm", "libopus", 48_000)]
)
def test_the_encoders_delay_is_taken_off(
    encode: Encode, stereo: np.ndarray, name: str, codec: str, rate: int
) -> None:
    got, _ = read(encode(name, stereo, codec, rate=rate))
    n = min(got.size, len(stereo))
    assert np.corrcoef(got[:n], stereo[:n].mean(axis=1))[0, 1] > 0.97


def test_without_a_telling_name(encode: Encode, stereo: np.ndarray) -> None:
    video = encode("a.mp4", stereo, "aac", picture=True)
    assert probe(video.rename(video.with_suffix(""))).format == "mp4"
    sound = encode("a.m4a", stereo, "aac")
    assert probe(sound.rename(sound.with_suffix(".wav"))).format == "m4a"


@pytest.mark.parametrize(
    ("name", "codec", "error"),
    [
        ("a.mkv", "flac", 3e-5),
        ("b.mkv", "pcm_f32le", 1e-6),
        ("a.webm", "libopus", 1),
        ("a.m4a", "aac", 1),
    ],
)
def test_eight_channels_do_not_crash(encode: Encode, name: str, codec: str, error: float) -> None:
    sound = np.random.default_rng(0).uniform(-0.4, 0.4, (48_000, 8)).astype(np.float32)
    path = encode(name, sound, codec, rate=48_000)
    assert probe(path).channels == 8
    got, _ = read(path)
    assert got.size >= len(sound) - 1000
    assert np.isfinite(got).all()
    n = min(got.size, len(sound))
    np.testing.assert_allclose(got[:n], sound[:n].mean(axis=1), rtol=0, atol=error)


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "FLOAT"])
@pytest.mark.parametrize("channels", [1, 2, 6, 8, 12])
def test_agrees_with_libsndfile(tmp_path: Path, subtype: str, channels: int) -> None:
    path = tmp_path / "a.wav"
    sound = np.random.default_rng(0).uniform(-1, 1, (3000, channels))
    soundfile.write(path, sound, RATE, subtype=subtype)
    parts = decode_pyav.blocks(path, block_s=0.01, start_s=0.0, duration_s=None)
    got = np.concatenate([samples for samples, _ in parts])
    np.testing.assert_allclose(got, read(path)[0], rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("start_s", "duration_s"), [(0.0, 0.5), (0.77, None), (1.5, 0.25), (1.9, 9.0)]
)
def test_a_part_of_a_file(
    encode: Encode, stereo: np.ndarray, start_s: float, duration_s: float | None
) -> None:
    path = encode("a.m4a", stereo, "aac")
    whole, _ = read(path)
    start = round(start_s * RATE)
    stop = None if duration_s is None else start + round(duration_s * RATE)
    got, _ = read(path, start_s=start_s, duration_s=duration_s)
    np.testing.assert_array_equal(got, whole[start:stop])


def test_a_video_without_sound_says_so(tmp_path: Path) -> None:
    import av

    path = tmp_path / "silent.mp4"
    with av.open(str(path), "w") as container:
        video = container.add_stream("mpeg4", rate=10)
        video.width, video.height, video.pix_fmt = 32, 32, "yuv420p"
        image = av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), "rgb24")
        container.mux(video.encode(image))
        container.mux(video.encode())
    with pytest.raises(AudioError, match="there is no sound in it"):
        read(path)


def test_a_cut_off_file_gives_what_is_there(encode: Encode, stereo: np.ndarray) -> None:
    path = encode("a.webm", stereo, "libopus", rate=48_000)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    got, rate = read(path)
    assert 0.6 < got.size / rate < 1.3


def test_without_pyav_the_remedy_is_named(
    encode: Encode, stereo: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = encode("a.m4a", stereo, "aac")
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(AudioError, match=r"a\.m4a.*libsndfile:.*pip install 'soundseek\[video\]'"):
        read(path)
    with pytest.raises(AudioError, match=r"pip install 'soundseek\[video\]'"):
        probe(path)


@pytest.mark.parametrize(
    "playlist",
    [
        "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{target}\n#EXT-X-ENDLIST\n",
        "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nfile:{target}\n#EXT-X-ENDLIST\n",
        "ffconcat version 1.0\nfile {target}\n",
    ],
)
@pytest.mark.parametrize("name", ["list.m3u8", "list.wav", "list.ffconcat"])
def test_a_playlist_cannot_open_other_files(
    tmp_path: Path, stereo: np.ndarray, name: str, playlist: str
) -> None:
    soundfile.write(tmp_path / "secret.mp3", stereo, RATE)
    path = tmp_path / name
    path.write_text(playlist.format(target=tmp_path / "secret.mp3"))
    with pytest.raises(AudioError, match="cannot be decoded"):
        read(path)


def test_the_decoder_alone_reports_its_reason(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(b"RIFF but nothing more")
    with pytest.raises(DecoderFailure, match="Invalid data"):
        decode_pyav.probe(path)
