from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from torch.nn import functional as F

from soundseek.errors import AudioError, DataError, RecipeError
from soundseek.lab.audio_encoders import build_audio_encoder, load
from soundseek.lab.audio_encoders.clap import ClapAudio, repeat_padded, repeat_padded_frames
from soundseek.lab.audio_encoders.clap_files import CLAP_48K
from support.tiny_models import bert, clap, edited, saved

pytestmark = pytest.mark.lab

RATE = 48_000
FRAMES = 1001


@pytest.fixture(scope="module")
def upstream() -> Any:
    return clap()


@pytest.fixture(scope="module")
def folder(upstream: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved(upstream, tmp_path_factory.mktemp("clap"), "roberta")


@pytest.fixture(scope="module")
def encoder(folder: Path) -> ClapAudio:
    encoder = load("clap", checkpoint=folder)
    assert isinstance(encoder, ClapAudio)
    assert not encoder.training
    return encoder


def log_mels(batch: int, frames: int, seed: int = 1) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(batch, frames, 64, generator=generator) * 20 - 30


def noise(samples: int, seed: int = 1) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(1, samples, generator=generator) * 0.1


def close(one: torch.Tensor, other: torch.Tensor) -> None:
    torch.testing.assert_close(one, other, rtol=0, atol=1e-5)


@torch.no_grad()
def test_shapes(encoder: ClapAudio) -> None:
    encoding = encoder(log_mels(2, FRAMES))
    assert encoding.sequence.shape == (2, encoder.steps, 32)
    assert encoding.mask.all()
    assert encoding.pooled.shape == (2, encoder.width)
    assert encoding.feature_map is not None
    assert encoding.feature_map.shape[3] == encoder.steps
    assert encoding.embedding is not None
    assert encoding.embedding.shape == (2, encoder.embedding_width) == (2, 12)
    close(encoding.embedding.norm(dim=-1), torch.ones(2))
    close(encoding.sequence.mean(1), encoding.pooled)
    assert encoder.seconds_per_step == pytest.approx(10 / encoder.steps)
    assert encoder.sample_rate == RATE


def test_the_public_size_has_a_step_every_third_of_a_second(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import transformers

    seen: list[Any] = []
    tiny = transformers.ClapAudioModelWithProjection(clap().config.audio_config)
    monkeypatch.setattr(
        transformers, "ClapAudioModelWithProjection", lambda config: seen.append(config) or tiny
    )
    encoder = ClapAudio()
    assert encoder.seconds_per_step == 0.3125
    assert encoder.width == 768
    (config,) = seen
    usual = transformers.ClapAudioConfig().to_dict()
    assert {k: v for k, v in config.to_dict().items() if usual[k] != v} in (
        {},
        {"depths": [2, 2, 6, 2], "num_attention_heads": [4, 8, 16, 32]},
    )


@torch.no_grad()
def test_steps_follow_each_other_in_time(encoder: ClapAudio) -> None:
    features = log_mels(1, FRAMES)
    before = encoder(features).sequence
    where = []
    for start in (100, 400, 700, 900):
        changed = features.clone()
        changed[:, start : start + 30] += 40.0
        difference = (encoder(changed).sequence - before).abs().sum(-1)[0]
        where.append(int(difference.argmax()) / encoder.steps * FRAMES)
    for start, found in zip((100, 400, 700, 900), where, strict=True):
        assert start - 80 < found < start + 110


@torch.no_grad()
@pytest.mark.parametrize("frames", [1, 2, 50, 333, 334, 700, 1000, 1001])
def test_the_padding_behind_an_item_does_not_matter(encoder: ClapAudio, frames: int) -> None:
    features = log_mels(1, frames)
    alone = encoder(features)
    for total in (frames, min(FRAMES, frames + 37), FRAMES):
        padded = torch.full((2, total, 64), 5.0)
        padded[0, :frames] = features[0]
        padded[1] = log_mels(1, total, seed=2)[0]
        encoding = encoder(padded, torch.tensor([frames, total]))
        close(encoding.sequence[0], alone.sequence[0])
        close(encoding.pooled[0], alone.pooled[0])
        assert encoding.mask[0].equal(alone.mask[0])
        close(encoding.pooled[1:], encoder(padded[1:]).pooled)


@torch.no_grad()
@pytest.mark.parametrize(
    ("frames", "share"), [(1, 0.0), (251, 0.25), (501, 0.5), (1000, 1.0), (1001, 1.0)]
)
def test_the_mask_is_the_items_own_length(encoder: ClapAudio, frames: int, share: float) -> None:
    mask = encoder(log_mels(1, FRAMES), torch.tensor([frames])).mask[0]
    assert mask[0]
    valid = int(mask.sum())
    assert mask[:valid].all()
    assert abs(valid - share * encoder.steps) <= 1


@torch.no_grad()
def test_vectors_depend_on_the_sound(encoder: ClapAudio) -> None:
    embedding = encoder(log_mels(3, 400)).embedding
    assert embedding is not None
    assert torch.pdist(embedding).min() > 1e-3


@settings(max_examples=40, deadline=None)
@given(n=st.integers(1, 60), room=st.integers(1, 60), batch=st.integers(1, 3))
def test_repeating_is_whole_and_the_rest_is_silent(n: int, room: int, batch: int) -> None:
    waveforms = torch.arange(1.0, 1.0 + batch * n).reshape(batch, n)
    if n > room:
        with pytest.raises(AudioError, match=f"{n} samples, with room for {room}"):
            repeat_padded(waveforms, room)
        return
    filled = repeat_padded(waveforms, room)
    for row, given_row in zip(filled.tolist(), waveforms.tolist(), strict=True):
        assert row == (given_row * (room // n) + [0.0] * room)[:room]


def test_frames_repeat_up_to_the_next_start() -> None:
    features = torch.arange(1.0, 6.0)[None, :, None]  # the fifth is where the second round starts
    for length, expected in [
        (1, [1.0] * 9 + [0.0]),
        (2, [1.0] * 9 + [0.0]),
        (4, [1.0, 2.0, 3.0] * 3 + [0.0]),
        (5, [1.0, 2.0, 3.0, 4.0] * 2 + [0.0, 0.0]),
    ]:
        filled = repeat_padded_frames(features, torch.tensor([length]), 10, silence=0.0)
        assert filled.flatten().tolist() == expected
    whole = repeat_padded_frames(features, torch.tensor([5]), 5, silence=0.0)
    assert whole.equal(features)


@torch.no_grad()
@pytest.mark.parametrize("seconds", [0.5, 1.0, 3.0, 4.0])
def test_repeated_frames_are_repeated_samples_but_for_the_seams(
    encoder: ClapAudio, seconds: float
) -> None:
    waveform = noise(round(seconds * RATE))
    features = encoder.features(waveform)
    lengths = torch.tensor([features.shape[1]])
    filled = repeat_padded_frames(features, lengths, FRAMES, silence=-100.0)
    expected = encoder.features(repeat_padded(waveform, 10 * RATE))
    same = (filled - expected).abs().amax(-1)[0] < 1e-2
    repetitions = int(10 / seconds)
    assert (~same).sum() <= 3 * (repetitions + 1)
    one, other = encoder(features).embedding, encoder(expected).embedding
    assert one is not None
    assert other is not None
    assert F.cosine_similarity(one, other).min() > 0.99


def test_frames_are_those_of_the_front_end(encoder: ClapAudio) -> None:
    for samples in (513, 24_000, 24_479, 24_480, 480_000):
        assert encoder.features(noise(samples)).shape == (1, encoder.frames(samples), 64)
    assert encoder.frames(480_000) == FRAMES
    with pytest.raises(AudioError, match=r"512 samples is too short .*\n.*513"):
        encoder.features(noise(512))


def test_more_than_ten_seconds_are_refused(encoder: ClapAudio) -> None:
    with pytest.raises(DataError, match=r"1002 frames .*\n.*windows of 10 s"):
        encoder(log_mels(1, 1002))


@torch.no_grad()
def test_a_file_with_its_config_beside_it(encoder: ClapAudio, folder: Path, tmp_path: Path) -> None:
    torch.save(load_file(folder / "model.safetensors"), tmp_path / "pytorch_model.bin")
    (tmp_path / "config.json").write_text((folder / "config.json").read_text())
    features = log_mels(1, 300)
    for place in (folder / "model.safetensors", tmp_path / "pytorch_model.bin", tmp_path):
        again = load("clap", checkpoint=place)
        close(again(features).pooled, encoder(features).pooled)  # type: ignore[attr-defined]


@torch.no_grad()
def test_resources_and_weights_make_it_again(encoder: ClapAudio) -> None:
    again = ClapAudio.from_resources(json.loads(json.dumps(encoder.resources()))).eval()
    features = log_mels(1, 300)
    assert (again(features).pooled - encoder(features).pooled).abs().max() > 1e-3
    again.load_state_dict(encoder.state_dict())
    close(again(features).pooled, encoder(features).pooled)


@torch.no_grad()
def test_unusual_settings_are_read_from_the_files(tmp_path: Path) -> None:
    network = clap(mlp_ratio=2.0, layer_norm_eps=1e-3)
    folder = saved(network, tmp_path, "roberta")
    edited(folder, "preprocessor_config.json", frequency_min=20, frequency_max=16_000)
    encoder = load("clap", checkpoint=folder)
    assert isinstance(encoder, ClapAudio)
    assert encoder.frontend.spec.f_min == 20
    assert encoder.frontend.spec.f_max == 16_000
    assert encoder.resources()["settings"] == {"mlp_ratio": 2.0, "layer_norm_eps": 1e-3}
    again = ClapAudio.from_resources(encoder.resources())
    assert again.frontend.spec == encoder.frontend.spec
    features = log_mels(1, FRAMES)
    expected: Any = network
    states = expected.audio_model(input_features=features[:, None]).pooler_output
    close(encoder(features).pooled, states)


def test_a_tiny_one_without_files() -> None:
    torch.manual_seed(1)
    encoder = build_audio_encoder("clap", ClapAudio.TINY)
    assert isinstance(encoder, ClapAudio)
    assert encoder.frontend.spec == CLAP_48K
    encoding = encoder.train()(log_mels(2, 200))
    assert encoding.embedding is not None
    encoding.embedding.sum().backward()
    encoding = encoder.eval()(log_mels(1, FRAMES))
    assert encoding.pooled.shape == (1, encoder.width)


def test_dropout_heeds_eval_mode(folder: Path) -> None:
    encoder = load("clap", checkpoint=folder)
    assert isinstance(encoder, ClapAudio)
    features = log_mels(2, FRAMES)
    with torch.no_grad():
        assert encoder(features).pooled.equal(encoder(features).pooled)


# What is refused


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"heads": (1, 2)}, r"depths \[1, 1, 1\] and heads \[1, 2\] are not of as many stages"),
        ({"heads": (3, 2, 2)}, "8 channels of stage 1 cannot be shared by 3 heads"),
        ({"settings": {"enable_fusion": True}}, "feature fusion"),
        ({"settings": {"num_mel_bins": 32}}, r"log-mel of 1001 × 64 does not fit"),
        ({"settings": {"spec_size": 128}}, r"does not fit CLAP's image of 256 × 64"),
        ({"path_width": 8}, r"option of clap .*'path_width'\n.*'patch_width'"),
    ],
)
def test_sizes_that_do_not_fit(options: dict[str, Any], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        build_audio_encoder("clap", {**ClapAudio.TINY, **options})


def test_a_checkpoint_brings_its_own_sizes(folder: Path) -> None:
    with pytest.raises(RecipeError, match="depths of clap: a checkpoint brings its own sizes"):
        load("clap", checkpoint=folder, options={"depths": (1, 1)})


def test_feature_fusion_is_refused(folder: Path, tmp_path: Path) -> None:
    for name in ("config.json", "model.safetensors"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    edited(tmp_path, "preprocessor_config.json", truncation="fusion")
    with pytest.raises(DataError, match="truncates by 'fusion'"):
        load("clap", checkpoint=tmp_path)
    (tmp_path / "preprocessor_config.json").unlink()
    edited(tmp_path, "processor_config.json", feature_extractor={"truncation": "fusion"})
    with pytest.raises(DataError, match="truncates by 'fusion'"):
        load("clap", checkpoint=tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    edited(tmp_path, "config.json", audio_config=config["audio_config"] | {"enable_fusion": True})
    with pytest.raises(DataError, match="is a CLAP with feature fusion"):
        load("clap", checkpoint=tmp_path)


def test_every_weight_that_does_not_fit_is_named(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_bytes((folder / "config.json").read_bytes())
    tensors = load_file(folder / "model.safetensors")
    tensors.pop("audio_projection.linear1.bias")
    tensors["audio_model.extra"] = torch.ones(2)
    tensors = {k: v for k, v in tensors.items() if not k.endswith("relative_position_index")}
    save_file(tensors, tmp_path / "model.safetensors")
    with pytest.raises(DataError) as caught:
        load("clap", checkpoint=tmp_path)
    assert "1 keys are missing: audio_projection.linear1.bias" in str(caught.value)
    assert "1 keys are unexpected: audio_model.extra" in str(caught.value)


def test_a_folder_of_something_else(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds a bert, not a clap"):
        load("clap", checkpoint=saved(bert(), tmp_path))
    (tmp_path / "config.json").unlink()
    with pytest.raises(DataError, match=r"has no config\.json"):
        load("clap", checkpoint=tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"has no model\.safetensors"):
        load("clap", checkpoint=tmp_path / "empty")
    with pytest.raises(DataError, match=r"no checkpoint at some/clap\.pt"):
        load("clap", checkpoint="some/clap.pt")
