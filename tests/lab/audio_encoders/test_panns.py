from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from soundseek.errors import AudioError, DataError, RecipeError
from soundseek.lab.audio_encoders import build_audio_encoder, encoder_class, load
from soundseek.lab.audio_encoders.panns import Classifier, Cnn10
from soundseek.lab.encodings import AudioEncoding
from support.lively_weights import enlivened

pytestmark = pytest.mark.lab

# Name, pooled width, reduction of the tiny variants of everything made of PANNs' parts.
FAMILY = {
    "panns_cnn10": (16, 16),
    "panns_cnn14": (16, 32),
    "panns_cnn14_16k": (16, 32),
    "panns_cnn14_decision_level_max": (16, 32),
    "panns_resnet38": (16, 32),
    "surrey_cnn10": (16, 16),
    "surrey_cnn14": (16, 64),
    "surrey_resnet38": (16, 32),
    "cau_cnn10_gru": (12, 16),
}
_LIVELY: dict[str, Any] = {}


def tiny(name: str, **options: Any) -> Any:
    torch.manual_seed(5)
    return build_audio_encoder(name, {**encoder_class(name).TINY, **options})


def lively(name: str) -> Any:
    """The tiny variant with every output that the class has, weights drawn from a seed."""
    if name not in _LIVELY:
        options = {"projection": (10, 6)} if name.startswith("surrey") else {}
        _LIVELY[name] = enlivened(tiny(name, **options))
    return _LIVELY[name]


def log_mels(batch: int, frames: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(batch, frames, 64, generator=generator)


def upstream(encoder: Any) -> dict[str, torch.Tensor]:
    """A PANNs encoder's state under upstream's keys."""
    return {key.removeprefix("head."): value for key, value in encoder.state_dict().items()}


def saved(path: Path, state: dict[str, torch.Tensor]) -> Path:
    torch.save({"iteration": 3, "model": state, "sampler": {"seed": 0}}, path)
    return path


@torch.no_grad()
@pytest.mark.parametrize("name", sorted(FAMILY))
def test_shapes(name: str) -> None:
    encoder = lively(name)
    width, reduction = FAMILY[name]
    assert (encoder.width, encoder.least_frames) == (width, reduction)
    hop_s = encoder.frontend.spec.hop_samples / encoder.sample_rate
    assert encoder.seconds_per_step == pytest.approx(reduction * hop_s)
    samples = round(2.0 * encoder.sample_rate)
    features = encoder.features(torch.randn(2, samples) * 0.1)
    assert features.shape == (2, encoder.frames(samples), 64)
    encoding = encoder(features)
    steps = features.shape[1] // reduction
    assert encoding.sequence.shape == (2, steps, width)
    assert encoding.mask.shape == (2, steps)
    assert encoding.mask.all()
    assert encoding.pooled.shape == (2, width)
    assert encoding.feature_map.shape[2] == steps
    if name.startswith("panns"):
        if name.endswith("decision_level_max"):
            assert encoding.embedding is None
            assert encoding.step_logits.shape == (2, steps, 527)
        else:
            assert encoding.embedding.shape == (2, width)
            assert encoding.step_logits is None
        assert encoding.logits.shape == (2, 527)
    elif name.startswith("surrey"):
        assert encoding.embedding.shape == (2, 6)
        assert encoding.logits is None


@torch.no_grad()
@pytest.mark.parametrize("name", sorted(FAMILY))
@settings(deadline=None, max_examples=12)
@given(data=st.data())
def test_an_item_gives_in_a_padded_batch_what_it_gives_alone(
    name: str, data: st.DataObject
) -> None:
    encoder = lively(name)
    least = encoder.least_frames
    frames = data.draw(st.lists(st.integers(least, 4 * least), min_size=1, max_size=3), "lengths")
    padding = data.draw(st.integers(0, 2 * least), "padding")
    features = log_mels(len(frames), max(frames) + padding, data.draw(st.integers(0, 99), "seed"))
    for item, length in zip(features, frames, strict=True):
        item[length:] = data.draw(st.sampled_from([0.0, -100.0, float("nan")]), "behind")
    together = encoder(features, torch.tensor(frames))
    for index, length in enumerate(frames):
        alone = encoder(features[index : index + 1, :length])
        steps = alone.sequence.shape[1]
        assert int(together.mask[index].sum()) == steps
        pairs = {
            "pooled": (together.pooled[index], alone.pooled[0]),
            "sequence": (together.sequence[index, :steps], alone.sequence[0]),
            "feature_map": (together.feature_map[index, :, :steps], alone.feature_map[0]),
        }
        for what in ("embedding", "logits"):
            if getattr(alone, what) is not None:
                pairs[what] = (getattr(together, what)[index], getattr(alone, what)[0])
        if alone.step_logits is not None:
            pairs["step_logits"] = (together.step_logits[index, :steps], alone.step_logits[0])
        for what, (ours, theirs) in pairs.items():
            bound = 1e-5 * float(theirs.abs().max())
            torch.testing.assert_close(
                ours, theirs, rtol=0, atol=bound, msg=lambda m, w=what: f"{w}: {m}"
            )


@torch.no_grad()
@pytest.mark.parametrize("name", sorted(FAMILY))
def test_full_lengths_are_no_lengths(name: str) -> None:
    encoder = lively(name)
    features = log_mels(2, 2 * encoder.least_frames + 3)
    with_lengths = encoder(features, torch.full((2,), features.shape[1]))
    torch.testing.assert_close(with_lengths.pooled, encoder(features).pooled)


@torch.no_grad()
@pytest.mark.parametrize("name", sorted(FAMILY))
def test_the_shortest_sound(name: str) -> None:
    encoder = lively(name)
    least = encoder.least_frames
    samples = (least - 1) * encoder.frontend.spec.hop_samples
    encoding = encoder(encoder.features(torch.randn(samples) * 0.1))
    assert encoding.sequence.shape[1] == 1
    assert encoding.pooled.isfinite().all()
    seconds = f"{samples / encoder.sample_rate:.2f} s"
    told = rf"sound of {least - 1} frames is too short: .* {least} into .*\n.*at least {seconds}"
    with pytest.raises(AudioError, match=told):
        encoder.features(torch.zeros(1, samples - 1))
    with pytest.raises(AudioError, match=told):
        encoder(log_mels(1, least - 1))
    with pytest.raises(AudioError, match=told):
        encoder(log_mels(2, least), torch.tensor([least, least - 1]))
    with pytest.raises(AudioError, match="sound of 0 frames"):
        encoder.features(torch.zeros(1, 0))


@torch.no_grad()
@pytest.mark.parametrize("lengths", [[40, 41], [40], [[40, 40]]])
def test_lengths_must_fit(lengths: Any) -> None:
    with pytest.raises(DataError, match=r"lengths .* for features of shape \(2, 40, 64\)"):
        lively("panns_cnn10")(log_mels(2, 40), torch.tensor(lengths))


@pytest.mark.parametrize("name", sorted(FAMILY))
def test_a_step_of_training_moves_every_part(name: str) -> None:
    options = {"projection": (10, 6)} if name.startswith("surrey") else {}
    encoder = tiny(name, **options).train()
    optimiser = torch.optim.SGD(encoder.parameters(), lr=1e-3)
    features = log_mels(3, 70)
    for _ in range(2):  # the residual blocks begin closed: their inner layers move next
        optimiser.zero_grad()
        encoding = encoder(features, torch.tensor([70, 66, 64]))
        outputs = (encoding.pooled, encoding.logits, encoding.embedding)
        torch.stack([out.square().mean() for out in outputs if out is not None]).sum().backward()
        optimiser.step()
    for key, parameter in encoder.named_parameters():
        assert parameter.grad is not None, key
        assert parameter.grad.isfinite().all(), key
        assert parameter.grad.abs().max() > 0, key


@pytest.mark.parametrize("name", sorted(FAMILY))
def test_augmentation_is_behind_the_normalisation_and_in_training_only(name: str) -> None:
    encoder = tiny(name)
    seen: list[torch.Tensor] = []

    def augment(x: torch.Tensor) -> torch.Tensor:
        seen.append(x)
        return torch.zeros_like(x)

    encoder.augment = augment
    features = log_mels(2, 64) * 7.0 + 3.0
    encoder.eval()(features)
    assert not seen
    silent = encoder.train()(features, torch.tensor([64, 64])).feature_map
    assert seen[0].shape == (2, 1, 64, 64)
    assert seen[0].mean().item() == pytest.approx(0.0, abs=1e-4)
    assert seen[0].std().item() == pytest.approx(1.0, abs=1e-2)
    assert not silent.any()  # no bias anywhere: zeros stay zeros, so what it returned is used


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("panns_cnn10", [0.2] * 4 + [0.5, 0.5]),
        ("panns_cnn14", [0.2] * 6 + [0.5, 0.5]),
        ("panns_cnn14_decision_level_max", [0.2] * 6 + [0.5, 0.5]),
        ("panns_resnet38", [0.2] + [0.1] * 5 + [0.2, 0.2, 0.5, 0.5]),
        ("surrey_cnn10", [0.2] * 4),
        ("surrey_cnn14", [0.2] * 6),
        ("surrey_resnet38", [0.2] + [0.2] * 5 + [0.2, 0.2]),
    ],
)
def test_dropouts(name: str, expected: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[tuple[float, bool]] = []

    def recorded(x: torch.Tensor, p: float, training: bool) -> torch.Tensor:
        drawn.append((p, training))
        return x

    encoder = tiny(name).train()
    monkeypatch.setattr(F, "dropout", recorded)
    encoder(log_mels(2, 64))
    assert drawn == [(p, True) for p in expected]
    drawn.clear()
    encoder.eval()(log_mels(2, 64))
    assert all(not training for _, training in drawn)


def test_the_classifier_reads_what_is_before_the_embeddings_dropout() -> None:
    head = Classifier(40, 3, 0.5).train()
    torch.nn.init.ones_(head.fc1.bias)
    silence = torch.zeros(1, 1, 40)
    encoded = head(AudioEncoding(silence, silence[..., 0].bool(), silence[0]))
    assert set(encoded.embedding.unique().tolist()) == {0.0, 2.0}
    torch.testing.assert_close(encoded.logits, head.fc_audioset(torch.ones(1, 40)))


def test_sizes_come_from_the_file(tmp_path: Path) -> None:
    original = enlivened(tiny("panns_cnn14", channels=(2, 3, 4, 5, 6, 7), classes=11))
    state = upstream(original) | {"logmel_extractor.melW": torch.zeros(513, 64)}
    loaded: Any = load("panns_cnn14", checkpoint=saved(tmp_path / "a.pth", state))
    assert not loaded.training
    features = log_mels(1, 64)
    torch.testing.assert_close(loaded(features).logits, original(features).logits)


def test_the_head_can_be_left_out(tmp_path: Path) -> None:
    original = enlivened(tiny("panns_cnn10"))
    path = saved(tmp_path / "a.pth", upstream(original))
    loaded: Any = load("panns_cnn10", checkpoint=path, options={"classes": None})
    encoding = loaded(log_mels(1, 32))
    assert (encoding.embedding, encoding.logits) == (None, None)
    torch.testing.assert_close(encoding.pooled, original(log_mels(1, 32)).pooled)


def test_a_missing_key_is_named(tmp_path: Path) -> None:
    state = upstream(tiny("panns_cnn10"))
    del state["conv_block3.bn1.running_var"], state["fc_audioset.weight"]
    with pytest.raises(DataError, match="2 keys are missing") as caught:
        load("panns_cnn10", checkpoint=saved(tmp_path / "a.pth", state))
    assert "conv_block3.bn1.running_var" in str(caught.value)
    assert "fc_audioset.weight" in str(caught.value)


def test_another_shape_is_named(tmp_path: Path) -> None:
    state = upstream(tiny("panns_cnn10"))
    state["conv_block2.conv1.weight"] = torch.zeros(8, 4, 5, 5)
    with pytest.raises(DataError, match=r"conv_block2\.conv1\.weight \(8, 4, 5, 5\) for \(8, 4, 3"):
        load("panns_cnn10", checkpoint=saved(tmp_path / "a.pth", state))


@pytest.mark.parametrize(
    ("given", "asked"),
    [
        ("panns_cnn14", "panns_cnn10"),
        ("panns_cnn10", "panns_cnn14"),
        ("panns_cnn10", "panns_resnet38"),
        ("panns_resnet38", "panns_cnn14"),
        ("surrey_cnn10", "panns_cnn10"),
        ("panns_cnn14", "surrey_cnn10"),
        ("panns_cnn14", "cau_cnn10_gru"),
    ],
)
def test_another_architecture_is_refused(given: str, asked: str, tmp_path: Path) -> None:
    encoder = tiny(given)
    state = upstream(encoder)
    if given.startswith("surrey"):
        state = {f"audio_enc.audio_enc.{key}": value for key, value in state.items()}
    # Without sizes from the file the public network is built: let that be small too.
    options = dict(encoder_class(asked).TINY)
    with pytest.raises(DataError, match=r"keys are (missing|unexpected)") as caught:
        load(asked, checkpoint=saved(tmp_path / "a.pth", state), options=options)
    assert "soundseek models inspect" in str(caught.value)


def test_a_truncated_file_is_refused(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.pth", upstream(tiny("panns_cnn10")))
    path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(DataError, match=r"a\.pth is no complete checkpoint"):
        load("panns_cnn10", checkpoint=path)


class Harmful:
    def __reduce__(self) -> Any:
        return (Path.touch, (Path("harm-was-done"),))


@pytest.mark.parametrize("how", ["torch", "pickle"])
def test_code_in_a_file_is_refused_and_not_run(
    how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "a.pth"
    if how == "torch":
        torch.save({"model": Harmful()}, path)
    else:
        path.write_bytes(pickle.dumps({"model": Harmful()}, protocol=2))
    with pytest.raises(DataError, match="could execute code"):
        load("panns_cnn10", checkpoint=path)
    assert not (tmp_path / "harm-was-done").exists()


@pytest.mark.parametrize(
    ("bins", "row", "right"),
    [(513, "panns_cnn14_16k", "panns_32k"), (257, "panns_cnn14", "panns_16k")],
)
def test_weights_of_another_rate_are_refused(
    bins: int, row: str, right: str, tmp_path: Path
) -> None:
    state = upstream(tiny("panns_cnn14")) | {"logmel_extractor.melW": torch.zeros(bins, 64)}
    path = saved(tmp_path / "a.pth", state)
    with pytest.raises(DataError, match=f"frontend={right}"):
        load(row, checkpoint=path)
    encoder: Any = load(row, checkpoint=path, options={"frontend": right})
    assert encoder.frontend.spec.fft_size == 2 * (bins - 1)


def test_wrong_options_are_refused() -> None:
    with pytest.raises(RecipeError, match=r"channels is \[4, 8\].*\n.*give 4 numbers"):
        Cnn10(channels=[4, 8])
    with pytest.raises(RecipeError, match=r"no front-end .*'pans_32k'\n.*'panns_32k'"):
        Cnn10(channels=(4, 4, 4, 4), frontend="pans_32k")
