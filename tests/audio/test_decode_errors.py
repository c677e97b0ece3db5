"""Bad input: a sentence that names the file, never a crash, never a line on the terminal."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from soundseek.audio import decode
from soundseek.audio.decode import probe, read, stream
from soundseek.errors import AudioError

RATE = 44_100


@pytest.fixture
def wav(tmp_path: Path, stereo: np.ndarray) -> Path:
    path = tmp_path / "a.wav"
    soundfile.write(path, stereo, RATE)
    return path


@pytest.mark.parametrize("call", [probe, read, lambda path: next(stream(path, 32_000))])
def test_what_is_no_sound_file(tmp_path: Path, call: object) -> None:
    assert callable(call)
    (tmp_path / "folder.wav").mkdir()
    (tmp_path / "empty.wav").touch()
    (tmp_path / "text.wav").write_text("once upon a time\n" * 5000)
    (tmp_path / "noise.mp3").write_bytes(np.random.default_rng(0).bytes(100_000))
    for name, reason in [
        ("missing.wav", "no such file"),
        ("folder.wav", "is a folder"),
        ("empty.wav", r"is empty \(0 bytes\)"),
        ("text.wav", r"cannot be decoded \(libsndfile: .*; FFmpeg: "),
        ("noise.mp3", "cannot be decoded"),
        ("text.wav/inside.wav", "Not a directory"),
        ("n" * 300 + ".wav", "too long"),
    ]:
        with pytest.raises(AudioError, match=f"{name}: .*{reason}|{name}: {reason}"):
            call(tmp_path / name)


def test_a_nul_in_the_name() -> None:
    with pytest.raises(AudioError, match="null byte"):
        read("a\0.wav")


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may read everything")
def test_no_permission(wav: Path) -> None:
    wav.chmod(0)
    with pytest.raises(AudioError, match=r"a\.wav: no permission"):
        read(wav)


def test_permission_errors_are_told(wav: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    for call in (probe, read):
        with pytest.raises(AudioError, match=r"a\.wav: no permission to read it\n.*permissions"):
            call(wav)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes")
def test_a_pipe_does_not_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.wav")
    with pytest.raises(AudioError, match="device or pipe"):
        read(tmp_path / "pipe.wav")


def test_a_file_that_vanishes(wav: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checked = decode._checked

    def then_delete(path: Path) -> Path:
        file = checked(path)
        file.unlink()
        return file

    monkeypatch.setattr(decode, "_checked", then_delete)
    with pytest.raises(AudioError, match=r"a\.wav: no such file"):
        read(wav)


@pytest.mark.parametrize(
    ("value", "word"), [(np.nan, "NaN"), (np.inf, "infinite"), (-np.inf, "inf")]
)
@pytest.mark.parametrize("at", [0, 12_345, 88_199])
def test_odd_samples_name_their_time(
    tmp_path: Path, stereo: np.ndarray, value: float, word: str, at: int
) -> None:
    path = tmp_path / "a.wav"
    broken = stereo.copy()
    broken[at:, 1] = value
    soundfile.write(path, broken, RATE, subtype="FLOAT")
    with pytest.raises(AudioError, match=rf"a\.wav: sample is {word}.* at {at / RATE:.3f} s"):
        read(path, 32_000)
    if at > RATE:
        with pytest.raises(AudioError, match=f"at {at / RATE:.3f} s"):
            read(path, start_s=1.0)


def test_huge_finite_samples_are_no_error(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, np.full(1000, 3e38, np.float32), RATE, subtype="FLOAT")
    assert read(path)[0][0] == np.float32(3e38)


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.mp3", "a.ogg", "a.aiff"])
def test_a_cut_off_file_gives_what_is_there(tmp_path: Path, stereo: np.ndarray, name: str) -> None:
    path = tmp_path / name
    soundfile.write(path, stereo, RATE)
    whole, _ = read(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    got, _ = read(path)
    assert 0.4 * whole.size < got.size < 0.8 * whole.size
    np.testing.assert_allclose(got[:20_000], whole[:20_000], rtol=0, atol=1e-4)


def test_where_one_decoder_gives_up_the_next_goes_on(tmp_path: Path, stereo: np.ndarray) -> None:
    pytest.importorskip("av")
    path = tmp_path / "a.flac"
    soundfile.write(path, np.tile(stereo, (4, 1)), RATE)
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 50] = bytes(50)
    path.write_bytes(data)
    got, _ = read(path)
    assert got.size > 7 * RATE
    np.testing.assert_allclose(got[:RATE], stereo[:RATE].mean(axis=1), rtol=0, atol=1e-4)


@pytest.mark.parametrize(("offset", "value"), [(24, 0), (22, 0), (24, 0x7FFFFFFF), (24, 3)])
def test_impossible_headers(wav: Path, offset: int, value: int) -> None:
    data = bytearray(wav.read_bytes())
    data[offset : offset + 4] = value.to_bytes(4, "little")
    wav.write_bytes(data)
    for call in (probe, read):
        with pytest.raises(AudioError, match=r"a\.wav: cannot be decoded"):
            call(wav)


def test_a_header_that_promises_too_much(wav: Path, stereo: np.ndarray) -> None:
    data = bytearray(wav.read_bytes())
    data[4:8] = data[40:44] = b"\xff\xff\xff\xff"  # as written by programs that stream
    wav.write_bytes(data)
    assert read(wav)[0].size == len(stereo)


def test_no_samples(tmp_path: Path) -> None:
    path = tmp_path / "none.wav"
    soundfile.write(path, np.zeros((0, 2)), RATE)
    with pytest.raises(AudioError, match=r"none\.wav: cannot be decoded \(libsndfile: no samples"):
        read(path)


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "aiff", "webm", "m4a"])
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    damage=st.lists(st.tuples(st.floats(0, 1), st.binary(min_size=1, max_size=40)), max_size=6),
    keep=st.floats(0.001, 1.0),
)
def test_damage_never_escapes_as_another_error_or_on_the_terminal(
    intact: dict[str, bytes],
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    suffix: str,
    damage: list[tuple[float, bytes]],
    keep: float,
) -> None:
    data = bytearray(intact[suffix])
    for place, junk in damage:
        at = int(place * len(data))
        data[at : at + len(junk)] = junk
    path = tmp_path / f"damaged.{suffix}"
    path.write_bytes(data[: max(1, int(keep * len(data)))])
    for call in (probe, lambda p: read(p, 16_000)):
        assert path.name in (_message(call, path) or path.name)
    assert capfd.readouterr().err == ""


def _message(call: Callable[[Path], object], path: Path) -> str | None:
    try:
        call(path)
    except AudioError as error:
        return str(error)
    return None


@pytest.fixture(scope="module")
def intact(tmp_path_factory: pytest.TempPathFactory, stereo: np.ndarray) -> dict[str, bytes]:
    import av

    folder = tmp_path_factory.mktemp("intact")
    sound = stereo[:20_480]
    for suffix in ("wav", "flac", "ogg", "aiff"):
        soundfile.write(folder / f"a.{suffix}", sound, 48_000)
    for suffix, codec in (("webm", "libopus"), ("m4a", "aac")):
        with av.open(str(folder / f"a.{suffix}"), "w") as container:
            stream_ = container.add_stream(codec, rate=48_000, layout="stereo")
            converter = av.AudioResampler(format=stream_.codec_context.codec.audio_formats[0].name)
            frame = av.AudioFrame.from_ndarray(sound.reshape(1, -1), format="flt", layout="stereo")
            frame.sample_rate, frame.pts = 48_000, 0
            for converted in converter.resample(frame):
                container.mux(stream_.encode(converted))
            container.mux(stream_.encode())
    return {path.suffix[1:]: path.read_bytes() for path in folder.iterdir()}
