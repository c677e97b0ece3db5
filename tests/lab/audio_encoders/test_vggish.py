from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")

import torch
from torch import Tensor

from soundseek.errors import AudioError, DataError, RecipeError
from soundseek.lab.audio_encoders import build_audio_encoder, load
from soundseek.lab.audio_encoders.vggish import EXAMPLE_FRAMES, Vggish

pytestmark = pytest.mark.lab

SILENCE = float(np.log(0.01))


def tiny(**options: Any) -> Vggish:
    torch.manual_seed(3)
    encoder = build_audio_encoder("vggish", {**Vggish.TINY, **options})
    assert isinstance(encoder, Vggish)
    return encoder.eval()


def features(n: int, frames: int, seed: int = 0) -> Tensor:
    return torch.randn(n, frames, 64, generator=torch.Generator().manual_seed(seed)) * 2 - 1


@torch.no_grad()
def test_one_step_for_96_frames_and_the_rest_is_dropped() -> None:
    encoder = tiny(last_relu=False)
    heard = features(2, 3 * EXAMPLE_FRAMES + 50)
    encoding = encoder(heard)
    assert encoding.sequence.shape == (2, 3, encoder.width)
    assert encoding.feature_map.shape == (2, 3, 8, 6, 4)
    assert encoding.mask.all()
    assert encoding.embedding is None
    torch.testing.assert_close(encoding.pooled, encoding.sequence.mean(1))
    single = encoder(heard[1:, EXAMPLE_FRAMES : 2 * EXAMPLE_FRAMES])
    torch.testing.assert_close(single.sequence[0, 0], encoding.sequence[1, 1], rtol=0, atol=1e-6)
    assert torch.pdist(encoding.sequence.flatten(0, 1)).min() > 1e-4


@torch.no_grad()
@pytest.mark.parametrize(
    ("short", "lengths"), [("error", [96, 191, 192, 300]), ("pad", [1, 95, 96, 200])]
)
def test_an_item_gives_what_it_gives_alone(short: str, lengths: list[int]) -> None:
    encoder = tiny(last_relu=False, short=short)
    batch = features(4, 300)
    together = encoder(batch, torch.tensor(lengths))
    assert together.mask.sum(1).tolist() == [max(1, length // 96) for length in lengths]
    for i, length in enumerate(lengths):
        alone = encoder(batch[i : i + 1, :length])
        torch.testing.assert_close(together.pooled[i], alone.pooled[0], rtol=0, atol=1e-6)


@torch.no_grad()
def test_a_short_clip_is_filled_up_with_silence() -> None:
    encoder = tiny(short="pad", last_relu=False)
    heard = features(1, 40)
    filled = torch.cat([heard, torch.full((1, 56, 64), SILENCE)], dim=1)
    torch.testing.assert_close(encoder(heard).sequence, encoder(filled).sequence, rtol=0, atol=0)
    silence = encoder.features(torch.zeros(1, 15_600))
    torch.testing.assert_close(silence, torch.full((1, 96, 64), SILENCE))


@pytest.mark.parametrize(("frames", "lengths"), [(95, None), (200, [200, 60])])
def test_a_short_clip_is_an_error_otherwise(frames: int, lengths: list[int] | None) -> None:
    shortest = 95 if lengths is None else 60
    with pytest.raises(AudioError, match=rf"a clip of {shortest} frames .*\n.*short to 'pad'"):
        tiny()(features(2, frames), None if lengths is None else torch.tensor(lengths))


def test_the_shortest_waveform() -> None:
    encoder = tiny()
    assert encoder.frames(15_600) == encoder.least_frames == 96
    assert encoder.frames(15_599) == 95
    assert encoder.features(torch.zeros(1, 15_600)).shape == (1, 96, 64)
    assert encoder.seconds_per_step == pytest.approx(0.96)
    with pytest.raises(AudioError, match="399 samples are too short for VGGish"):
        encoder.features(torch.zeros(1, 399))


@torch.no_grad()
def test_without_the_last_relu_values_are_negative_too() -> None:
    heard = features(4, 192)
    with_relu, without = tiny()(heard).sequence, tiny(last_relu=False)(heard).sequence
    assert without.min() < 0
    torch.testing.assert_close(with_relu, without.relu(), rtol=0, atol=0)


def tables(width: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(5)
    return {
        "pca_eigen_vectors": rng.standard_normal((width, width)) * 0.7,
        "pca_means": rng.standard_normal(width),
    }


@torch.no_grad()
@pytest.mark.parametrize("form", ["npz", "numpy.pth", "torch.pth", "safetensors"])
def test_pca_from_a_file(tmp_path: Path, form: str) -> None:
    arrays = tables(Vggish.TINY["width"])
    path = tmp_path / f"pca.{form}"
    tensors = {key: torch.from_numpy(value).float() for key, value in arrays.items()}
    if form == "npz":
        np.savez(path, **arrays)
    elif form == "numpy.pth":
        # The public file is of the format before zip archives.
        torch.save(arrays, path, _use_new_zipfile_serialization=False)
    elif form == "torch.pth":
        torch.save(tensors, path)
    else:
        from safetensors.torch import save_file

        save_file(tensors, path)
    encoding = tiny(pca=True, pca_checkpoint=path, last_relu=False)(features(2, 200))
    vectors = encoding.sequence.double().numpy()
    projected = (vectors - arrays["pca_means"]) @ arrays["pca_eigen_vectors"].T
    expected = np.round((np.clip(projected, -2, 2) + 2) * 255 / 4)
    assert len(np.unique(expected)) > 10
    assert 255.0 in expected
    np.testing.assert_allclose(encoding.embedding.numpy(), expected, atol=1)
    assert (encoding.embedding.numpy() == expected).mean() > 0.95


def test_weights_and_pca_from_two_files_or_one(tmp_path: Path) -> None:
    saved = tiny(pca=True)
    state = {
        key.replace("layers.", "features."): value for key, value in saved.state_dict().items()
    }
    network = {key: value for key, value in state.items() if not key.startswith("pproc.")}
    np.savez(tmp_path / "pca.npz", **tables(saved.width))
    torch.save(network, tmp_path / "network.pth")
    torch.save(state, tmp_path / "both.pth")
    heard = features(1, 96)

    apart = load(
        "vggish",
        checkpoint=tmp_path / "network.pth",
        options={"pca": True, "pca_checkpoint": tmp_path / "pca.npz"},
    )
    together = load("vggish", checkpoint=tmp_path / "both.pth", options={"pca": True})
    plain = load("vggish", checkpoint=tmp_path / "both.pth")
    for encoder in (apart, together, plain):
        torch.testing.assert_close(encoder(heard).sequence, saved(heard).sequence, rtol=0, atol=0)
    assert plain(heard).embedding is None
    assert not torch.equal(apart(heard).embedding, together(heard).embedding)
    with pytest.raises(DataError, match=r"2 keys are missing: pproc\.pca_eigen_vectors, pproc"):
        load("vggish", checkpoint=tmp_path / "network.pth", options={"pca": True})


class _Trap:
    def __reduce__(self) -> tuple[Any, ...]:
        return (print, ("the trap has sprung",))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("absent.npz", "no PCA tables at"),
        ("empty.npz", "damaged, or holds more than tables"),
        ("garbled.pth", "damaged, or holds more than tables"),
        ("trap.pth", "damaged, or holds more than tables"),
        ("other.pth", "does not hold pca_eigen_vectors and pca_means"),
        ("shape.npz", r"pca_means \(3, 1\) for \(16, 1\)"),
    ],
)
def test_pca_files_that_cannot_be_used(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, message: str
) -> None:
    (tmp_path / "empty.npz").write_bytes(b"")
    (tmp_path / "garbled.pth").write_bytes(b"no checkpoint at all")
    torch.save({"pca_means": _Trap()}, tmp_path / "trap.pth")
    torch.save({"pca_means": torch.zeros(3)}, tmp_path / "other.pth")
    np.savez(tmp_path / "shape.npz", pca_eigen_vectors=np.eye(16), pca_means=np.zeros(3))
    with pytest.raises(DataError, match=message):
        tiny(pca=True, pca_checkpoint=tmp_path / name)
    assert "sprung" not in capsys.readouterr().out


def test_impossible_options_are_refused_together() -> None:
    with pytest.raises(RecipeError, match=r"short is 'cut'.*; channels is \[1\].*; pca_checkpoint"):
        Vggish(short="cut", channels=[1], pca_checkpoint="x")  # type: ignore[arg-type]


def test_features_of_another_shape_are_refused() -> None:
    with pytest.raises(AudioError, match=r"shape \(1, 96, 128\), not \[batch, frames, 64\]"):
        tiny()(torch.zeros(1, 96, 128))


def test_a_tiny_one_learns() -> None:
    encoder = tiny(last_relu=False).train()
    heard = features(3, 200)
    optimiser = torch.optim.Adam(encoder.parameters(), 1e-3)
    losses = []
    for _ in range(4):
        loss = (encoder(heard, torch.tensor([200, 96, 150])).pooled - 1.0).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]
