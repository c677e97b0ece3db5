from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from soundseek.errors import DataError, RecipeError
from soundseek.lab.audio_encoders import build_audio_encoder, load
from soundseek.lab.audio_encoders.beats import Beats
from soundseek.lab.checkpoints import Checkpoint, read_checkpoint

pytestmark = pytest.mark.lab

# A cfg's names for what TINY has, and the classifier's.
CFG = {**Beats.TINY, "input_patch_size": 16, "deep_norm": True, "gru_rel_pos": True} | {
    "relative_position_embedding": True,
    "finetuned_model": True,
    "predictor_class": 5,
    "predictor_dropout": 0.0,
    "an_option_of_training": 3,
}


def tiny(**options: Any) -> Beats:
    torch.manual_seed(3)
    return Beats(**{**Beats.TINY, "encoder_layerdrop": 0.0, **options})


def features(batch: int, frames: int) -> Tensor:
    return torch.randn(batch, frames, 128, generator=torch.Generator().manual_seed(frames))


def checkpoint(state: dict[str, Tensor], cfg: dict[str, Any] = CFG) -> Checkpoint:
    return Checkpoint(Path("beats.pt"), state, "model", cfg)


def naive_mask(valid: int, frames: int) -> list[bool]:
    """The public code's reduction of a mask of frames (True = padding) to one of tokens."""
    tokens = frames // 16 * 8
    padded = [i >= valid for i in range(frames)][: frames - frames % tokens]
    each = len(padded) // tokens
    return [not all(padded[i * each : (i + 1) * each]) for i in range(tokens)]


def test_the_defaults_are_the_published_network() -> None:
    with torch.device("meta"):
        state = Beats(classes=527).state_dict()
    shapes = {key: tuple(value.shape) for key, value in state.items()}
    last = "encoder.layers.11."
    assert shapes["patch_embedding.weight"] == (512, 1, 16, 16)
    assert shapes["post_extract_proj.weight"] == (768, 512)
    assert shapes["encoder.pos_conv.0.weight_g"] == (1, 1, 128)
    assert shapes["encoder.pos_conv.0.weight_v"] == (768, 48, 128)
    assert shapes[last + "self_attn.relative_attention_bias.weight"] == (320, 12)
    assert shapes[last + "self_attn.grep_linear.weight"] == (8, 64)
    assert shapes[last + "self_attn.grep_a"] == (1, 12, 1, 1)
    assert shapes[last + "fc1.weight"] == (3072, 768)
    assert shapes["predictor.weight"] == (527, 768)
    assert "patch_embedding.bias" not in shapes
    assert "encoder.layers.12.fc1.weight" not in shapes


def test_shapes_and_times() -> None:
    encoder = build_audio_encoder("beats", {**Beats.TINY, "classes": 5})
    assert isinstance(encoder, Beats)
    waves = torch.randn(2, 16_000) * 0.1
    made = encoder.features(waves)
    assert made.shape == (2, encoder.frames(16_000), 128) == (2, 98, 128)
    encoding = encoder(made)
    assert encoding.sequence.shape == (2, 48, encoder.width)
    assert encoding.logits is not None
    assert encoding.logits.shape == (2, 5)
    # 98 frames are 6 time patches of 0.16 s, of 8 tokens each.
    assert encoder.seconds_per_step * 48 == pytest.approx(0.96)


@pytest.fixture(scope="module")
def encoder() -> Beats:
    return tiny().eval()


@settings(max_examples=60, deadline=None)
@given(frames=st.integers(16, 700), data=st.data())
def test_the_mask_is_reduced_as_in_public_code(
    encoder: Beats, frames: int, data: st.DataObject
) -> None:
    valid = data.draw(st.integers(1, frames))
    got = encoder.token_mask(torch.tensor([valid]), frames)[0].tolist()
    assert got == naive_mask(valid, frames)


@pytest.mark.parametrize(("samples", "valid"), [(80_000, 20_800), (20_800, 2_800), (3_000, 2_999)])
def test_frame_lengths_are_those_of_public_code(encoder: Beats, samples: int, valid: int) -> None:
    frames = encoder.frames(samples)
    each = (samples - samples % frames) // frames
    naive = sum(i * each < valid for i in range(frames))
    assert encoder.frame_lengths(torch.tensor([valid, samples]), samples).tolist() == [
        naive,
        frames,
    ]


@torch.no_grad()
@pytest.mark.parametrize("valid", [16, 100, 138, 200])
def test_whole_patches_give_an_item_what_it_gives_alone(valid: int) -> None:
    encoder = tiny(padding="whole_patches", classes=5).eval()
    batch = features(2, 250)
    together = encoder(batch, torch.tensor([250, valid]))
    alone = encoder(batch[1:, :valid])
    kept = alone.sequence.shape[1]
    assert together.mask[1].sum() == kept
    torch.testing.assert_close(together.sequence[1, :kept], alone.sequence[0], rtol=0, atol=2e-6)
    torch.testing.assert_close(together.pooled[1], alone.pooled[0], rtol=0, atol=2e-6)
    torch.testing.assert_close(together.logits[1], alone.logits[0], rtol=0, atol=2e-6)


@torch.no_grad()
def test_upstream_padding_gives_the_same_where_patches_are_whole(encoder: Beats) -> None:
    batch = features(2, 250)
    together = encoder(batch, torch.tensor([250, 128]))
    alone = encoder(batch[1:, :128])
    torch.testing.assert_close(together.pooled[1], alone.pooled[0], rtol=0, atol=2e-6)
    half = encoder(batch, torch.tensor([250, 130])).mask[1]
    assert half.tolist() == [True] * 65 + [False] * 55


@torch.no_grad()
def test_what_is_masked_changes_nothing() -> None:
    encoder = tiny(classes=5).eval()
    batch, lengths = features(2, 250), torch.tensor([250, 128])
    louder = batch.clone()
    louder[1, 128:] = 9.0
    before, after = encoder(batch, lengths), encoder(louder, lengths)
    assert torch.equal(before.pooled, after.pooled)
    assert torch.equal(before.logits, after.logits)
    assert not torch.equal(encoder(batch).pooled, encoder(louder).pooled)


@pytest.mark.parametrize("options", [{}, {"gru_rel_pos": False}, {"conv_bias": True}])
def test_a_step_of_training_changes_every_weight(options: dict[str, Any]) -> None:
    encoder = tiny(classes=5, dropout=0.1, attention_dropout=0.1, **options).train()
    before = {key: value.clone() for key, value in encoder.named_parameters()}
    encoding = encoder(features(3, 64), torch.tensor([64, 40, 20]))
    loss = encoding.logits.square().sum() + encoding.sequence.square().sum()
    loss.backward()
    torch.optim.Adam(encoder.parameters(), 1e-2).step()
    still = [key for key, value in encoder.named_parameters() if torch.equal(value, before[key])]
    # Adding the same to every score of a query leaves its attention as it was.
    assert [key for key in still if "k_proj.bias" not in key] == []


def gradient(encoder: Beats) -> Tensor:
    encoder.zero_grad()
    encoder(features(2, 64)).pooled[:, 0].sum().backward()
    assert encoder.patch_embedding.weight.grad is not None
    return encoder.patch_embedding.weight.grad.clone()


def test_gradients_decay_from_layer_to_layer() -> None:
    full = gradient(tiny(layer_wise_gradient_decay_ratio=1.0))
    decayed = gradient(tiny(layer_wise_gradient_decay_ratio=0.5))
    assert full.abs().max() > 0
    torch.testing.assert_close(decayed, full * 0.5**2, rtol=1e-4, atol=1e-9)


def test_recomputed_layers_give_the_same_gradients() -> None:
    plain, recomputed = tiny(), tiny(checkpoint_layers=True)
    torch.testing.assert_close(gradient(recomputed), gradient(plain), rtol=1e-5, atol=1e-9)


def test_layers_are_dropped_in_training_only() -> None:
    encoder, batch = tiny(encoder_layerdrop=1.0), features(1, 32)
    calls: list[int] = []
    for layer in encoder.encoder.layers:
        layer.register_forward_hook(lambda *_: calls.append(1))
    encoder.train()(batch)
    assert not calls
    encoder.eval()(batch)
    assert len(calls) == 2


@torch.no_grad()
def test_half_precision_stays_near() -> None:
    encoder, batch = tiny().eval(), features(2, 64)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        half = encoder(batch, torch.tensor([64, 32])).pooled
    torch.testing.assert_close(
        half.float(), encoder(batch, torch.tensor([64, 32])).pooled, rtol=0, atol=0.05
    )


@torch.no_grad()
def test_a_published_file_is_read(tmp_path: Path) -> None:
    encoder = tiny(classes=5).eval()
    path = tmp_path / "beats.pt"
    torch.save({"cfg": CFG, "model": encoder.state_dict(), "label_dict": {0: "/m/0"}}, path)
    again = load("beats", checkpoint=path)
    batch = features(1, 64)
    assert torch.equal(again(batch).logits, encoder(batch).logits)
    bare = load("beats", checkpoint=path, options={"classes": None})
    assert bare(batch).logits is None
    assert torch.equal(bare(batch).pooled, encoder(batch).pooled)


def test_absent_keys_of_a_cfg_mean_the_public_defaults() -> None:
    cfg = {k: v for k, v in CFG.items() if k not in ("max_distance", "deep_norm")}
    encoder = Beats.from_checkpoint(checkpoint(tiny(classes=5).state_dict(), cfg))
    assert encoder.encoder.sizes.max_distance == 1280
    assert encoder.encoder.sizes.deep_norm is False
    assert encoder.encoder.sizes.dropout == 0.1


def _without(state: dict[str, Tensor], key: str) -> dict[str, Tensor]:
    return {k: v for k, v in state.items() if k != key}


@pytest.mark.parametrize(
    ("change", "cfg", "says"),
    [
        (lambda s: s, {}, "no cfg"),
        (lambda s: s, CFG | {"layer_norm_first": True}, "layer_norm_first True"),
        (lambda s: s, CFG | {"activation_fn": "relu"}, "activation_fn 'relu'"),
        (lambda s: s, CFG | {"finetuned_model": False}, "unexpected.*predictor.weight"),
        (lambda s: s, CFG | {"encoder_layers": 1}, "unexpected.*encoder.layers.1"),
        (lambda s: s, CFG | {"encoder_ffn_embed_dim": 48}, "shapes differ.*fc1"),
        (lambda s: _without(s, "layer_norm.weight"), CFG, "missing: layer_norm.weight"),
        (lambda s: s | {"more": torch.ones(1)}, CFG, "unexpected: more"),
    ],
)
def test_a_wrong_checkpoint_is_refused(change: Any, cfg: dict[str, Any], says: str) -> None:
    state = change(tiny(classes=5).state_dict())
    with pytest.raises(DataError, match=says):
        Beats.from_checkpoint(checkpoint(state, cfg))


def test_position_tables_that_differ_are_refused() -> None:
    state = dict(tiny(classes=5).state_dict())
    key = "encoder.layers.1.self_attn.relative_attention_bias.weight"
    state[key] = state[key] + 1
    with pytest.raises(DataError, match=r"layers\.1.*differs from .*layers\.0"):
        Beats.from_checkpoint(checkpoint(state))


def test_another_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.pt"
    torch.save({"weight": torch.ones(2)}, path)
    with pytest.raises(DataError, match="no cfg"):
        Beats.from_checkpoint(read_checkpoint(path))


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"encoder_attention_heads": 5}, "encoder_attention_heads 5"),
        ({"conv_pos_groups": 0}, "conv_pos_groups 0"),
        ({"input_patch_size": -1}, "input_patch_size -1"),
        ({"padding": "none"}, "padding is 'none'"),
    ],
)
def test_impossible_options_are_refused(options: dict[str, Any], says: str) -> None:
    with pytest.raises(RecipeError, match=says):
        Beats(**{**Beats.TINY, **options})


@pytest.mark.parametrize(
    ("shape", "lengths", "says"),
    [
        ((1, 15, 128), None, "15 frames are less than one patch of 16\n.*shorter than 0.175 s"),
        ((1, 32, 64), None, "not .batch, frames, 128."),
        ((32, 128), None, "not .batch, frames, 128."),
        ((2, 32, 128), [32], "lengths of shape"),
    ],
)
def test_wrong_input_is_refused(
    encoder: Beats, shape: tuple[int, ...], lengths: Any, says: str
) -> None:
    given_lengths = None if lengths is None else torch.tensor(lengths)
    with pytest.raises(DataError, match=says):
        encoder(torch.zeros(shape), given_lengths)
