from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

RATE = 44_100
Encode = Callable[..., Path]


@pytest.fixture(scope="session")
def stereo() -> np.ndarray:
    """Two seconds [88200, 2] float32: a tone and noise left, another tone right."""
    t = np.arange(2 * RATE) / RATE
    noise = np.random.default_rng(1).standard_normal(t.size)
    left = 0.3 * np.sin(2 * np.pi * 440 * t) + 0.02 * noise
    right = 0.2 * np.sin(2 * np.pi * 1500 * t)
    return np.stack([left, right], axis=1).astype(np.float32)


@pytest.fixture
def encode(tmp_path: Path) -> Encode:
    """Return encode(name, sound [n, channels], codec, rate=…, picture=False) → path, by FFmpeg."""
    av = pytest.importorskip("av")
    layouts = {1: "mono", 2: "stereo", 8: "7.1"}

    def write(
        name: str, sound: np.ndarray, codec: str, *, rate: int = RATE, picture: bool = False
    ) -> Path:
        layout = layouts[sound.shape[1]]
        path = tmp_path / name
        with av.open(str(path), "w") as container:
            stream = container.add_stream(codec, rate=rate, layout=layout)
            stream.bit_rate = 64_000 * sound.shape[1]
            wanted = stream.codec_context.codec.audio_formats[0]
            if picture:
                video = container.add_stream("mpeg4", rate=10)
                video.width, video.height, video.pix_fmt = 32, 32, "yuv420p"
                for index in range(10):
                    image = av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), "rgb24")
                    image.pts = index
                    container.mux(video.encode(image))
                container.mux(video.encode())
            to_codec = av.AudioResampler(format=wanted.name, layout=layout, rate=rate)
            for start in range(0, len(sound), 1024):
                packed = np.ascontiguousarray(sound[start : start + 1024]).reshape(1, -1)
                frame = av.AudioFrame.from_ndarray(packed, format="flt", layout=layout)
                frame.sample_rate, frame.pts = rate, start
                for converted in to_codec.resample(frame):
                    container.mux(stream.encode(converted))
            container.mux(stream.encode())
        return path

    return write
