from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")

import torch
from torch import Tensor

from soundseek.errors import DataError, RecipeError
from soundseek.lab.audio_encoders import build_audio_encoder, load
from soundseek.lab.audio_encoders.passt import Passt
from soundseek.lab.audio_encoders.passt_chance import apply_patchout, draw_patchout
from soundseek.lab.checkpoints import Checkpoint

pytestmark = pytest.mark.lab


def tiny(**options: Any) -> Passt:
    torch.manual_seed(3)
    encoder = Passt(**{**Passt.TINY, **options})
    # Fresh weights of 0.02 let hardly anything through, and would hide every mistake.
    with torch.no_grad():
        for parameter in encoder.parameters():
            if parameter.ndim > 1:
                parameter.normal_(std=0.3)
    return encoder


def features(batch: int, frames: int) -> Tensor:
    return torch.randn(batch, frames, 128, generator=torch.Generator().manual_seed(frames))


def checkpoint(state: dict[str, Tensor]) -> Checkpoint:
    return Checkpoint(Path("passt.pt"), state)


@pytest.mark.parametrize(
    ("stride", "rows", "columns"),
    [(10, 12, 99), (12, 10, 82), (14, 9, 71), (16, 8, 62), (20, 6, 50), ((16, 10), 8, 99)],
)
def test_the_grid_of_998_frames(stride: Any, rows: int, columns: int) -> None:
    with torch.device("meta"):
        encoder = Passt(**Passt.TINY | {"stride": stride})
    assert encoder.freq_new_pos_embed.shape == (1, 32, rows, 1)
    assert encoder.time_new_pos_embed.shape == (1, 32, 1, columns)


def test_the_defaults_are_the_published_network() -> None:
    with torch.device("meta"):
        state = Passt().state_dict()
    shapes = {key: tuple(value.shape) for key, value in state.items()}
    assert shapes["cls_token"] == shapes["dist_token"] == (1, 1, 768)
    assert shapes["new_pos_embed"] == (1, 2, 768)
    assert shapes["patch_embed.proj.weight"] == (768, 1, 16, 16)
    assert shapes["blocks.11.attn.qkv.weight"] == (2304, 768)
    assert shapes["blocks.11.mlp.fc1.weight"] == (3072, 768)
    assert shapes["head.1.weight"] == shapes["head_dist.weight"] == (527, 768)
    assert "blocks.12.norm1.weight" not in shapes


def test_passt_l_is_seven_blocks_deep() -> None:
    with torch.device("meta"):
        built = build_audio_encoder("passt_l")
    assert isinstance(built, Passt)
    assert len(built.blocks) == 7


def test_shapes_and_times() -> None:
    encoder = tiny(classes=5).eval()
    made = encoder.features(torch.randn(2, 32_000) * 0.1)
    assert made.shape == (2, encoder.frames(32_000), 128) == (2, 100, 128)
    encoding = encoder(made)
    assert encoding.sequence.shape == (2, 8 * 6, encoder.width)
    assert encoding.mask.shape == (2, 8 * 6)
    assert encoding.mask.all()
    assert encoding.logits is not None
    assert encoding.logits.shape == (2, 5)
    assert encoder.seconds_per_step == pytest.approx(0.16)
    tokens = encoder.tokens(made)
    torch.testing.assert_close(encoding.pooled, (tokens[:, 0] + tokens[:, 1]) / 2)


@torch.no_grad()
@pytest.mark.parametrize("valid", [16, 31, 100, 200])
def test_an_item_gives_in_a_batch_what_it_gives_alone(valid: int) -> None:
    encoder = tiny(stride=10, classes=5).eval()
    batch = features(2, 200)
    together = encoder(batch, torch.tensor([200, valid]))
    alone = encoder(batch[1:, :valid])
    shown = together.mask[1]
    assert shown.sum() == alone.sequence.shape[1]
    torch.testing.assert_close(together.pooled[1], alone.pooled[0], rtol=0, atol=2e-6)
    torch.testing.assert_close(together.logits[1], alone.logits[0], rtol=0, atol=1e-5)
    torch.testing.assert_close(together.sequence[1, shown], alone.sequence[0], rtol=0, atol=5e-6)
    assert not torch.allclose(encoder(batch).pooled[1], alone.pooled[0], atol=1e-3) or valid == 200


@torch.no_grad()
def test_positions_are_the_first_of_the_tables_and_never_interpolated() -> None:
    encoder, batch = tiny().eval(), features(1, 64)
    before = encoder(batch).pooled
    encoder.time_new_pos_embed[..., 4:] += 1
    assert torch.equal(encoder(batch).pooled, before)
    encoder.time_new_pos_embed[..., 3] += 1
    assert not torch.allclose(encoder(batch).pooled, before)


@torch.no_grad()
def test_patches_stand_row_after_row() -> None:
    """A blow to one patch is heard first where it should stand."""
    encoder, batch = tiny(depth=0).eval(), features(1, 64)
    louder = batch.clone()
    louder[0, 16:32, 32:48] += 5  # column 1 of 4, row 2 of 8
    changed = (encoder(louder).sequence != encoder(batch).sequence).any(-1)[0]
    assert changed.nonzero().flatten().tolist() == [2 * 4 + 1]


def test_patchout_thins_training_only() -> None:
    options = {"patchout_time": 3, "patchout_frequency": 2, "patchout_tokens": 4}
    encoder, batch = tiny(**options), features(2, 160)
    encoder.patchout_generator = torch.Generator().manual_seed(7)
    encoding = encoder.train()(batch, torch.tensor([160, 80]))
    assert encoding.sequence.shape[1] == encoding.mask.shape[1] == 7 * 6 - 4
    kept = draw_patchout(
        10, 8, time=3, frequency=2, tokens=4, generator=torch.Generator().manual_seed(7)
    )
    encoder.eval()
    given = encoder(batch, torch.tensor([160, 80]), patchout=kept)
    torch.testing.assert_close(encoding.pooled, given.pooled)
    valid = torch.arange(10).expand(2, 8, 10) < torch.tensor([10, 5])[:, None, None]
    assert torch.equal(encoding.mask, apply_patchout(valid, kept))
    assert encoder(batch).sequence.shape[1] == 80


@torch.no_grad()
def test_all_patches_kept_is_no_patchout() -> None:
    encoder, batch = tiny().eval(), features(2, 64)
    kept = draw_patchout(4, 8, time=0, frequency=0, tokens=0)
    torch.testing.assert_close(encoder(batch, patchout=kept).pooled, encoder(batch).pooled)


def test_patchout_of_all_columns_is_refused() -> None:
    encoder = tiny(patchout_time=4).train()
    with pytest.raises(DataError, match="4 columns, 0 rows and 0 tokens leaves nothing of 4 col"):
        encoder(features(1, 64))


def test_the_front_end_moves_in_training_only() -> None:
    encoder, waves = tiny(frontend_jitter=True), torch.randn(1, 16_000) * 0.1
    still = encoder.eval().features(waves)
    encoder.train().jitter_generator = torch.Generator().manual_seed(1)
    first, second = encoder.features(waves), encoder.features(waves)
    assert not torch.equal(first, still)
    assert not torch.equal(first, second)
    encoder.jitter_generator.manual_seed(1)
    assert torch.equal(encoder.features(waves), first)
    assert torch.equal(encoder.eval().features(waves), still)
    assert torch.equal(tiny().train().features(waves), still)


def test_a_step_of_training_changes_every_weight() -> None:
    encoder = tiny(classes=5, patchout_time=1).train()
    before = {key: value.clone() for key, value in encoder.named_parameters()}
    encoding = encoder(features(3, 992), torch.tensor([992, 80, 20]))
    (encoding.logits.square().sum() + encoding.sequence.square().sum()).backward()
    torch.optim.Adam(encoder.parameters(), 1e-2).step()
    still = {key for key, value in encoder.named_parameters() if torch.equal(value, before[key])}
    assert still == {"head_dist.weight", "head_dist.bias"}


def test_a_copy_can_be_made_with_its_generators() -> None:
    encoder = tiny()
    encoder.patchout_generator = torch.Generator()
    assert copy.deepcopy(encoder).patchout_generator is not encoder.patchout_generator


@torch.no_grad()
def test_more_than_the_time_table_holds() -> None:
    strict, cutting = tiny(stride=10).eval(), tiny(stride=10, overlong="cut").eval()
    batch = features(1, 1200)
    assert strict(batch[:, :1005]).sequence.shape[1] == 12 * 99
    with pytest.raises(
        DataError, match=r"10\.06 s of sound \(1006 frames\).* 10\.05 s \(1005 frames\)\n.*windows"
    ):
        strict(batch[:, :1006])
    assert torch.equal(cutting(batch).pooled, strict(batch[:, :996]).pooled)
    lengths = torch.tensor([1200])
    torch.testing.assert_close(cutting(batch, lengths).pooled, strict(batch[:, :996]).pooled)


@pytest.mark.parametrize("layout", ["bare", "model", "wrapped"])
@torch.no_grad()
def test_published_layouts_are_read(tmp_path: Path, layout: str) -> None:
    encoder = tiny(classes=5, depth=3).eval()
    state = encoder.state_dict()
    if layout == "wrapped":
        state = {f"net.{key}": value for key, value in state.items()}
        state["device_proxy"] = torch.zeros(1)
    path = tmp_path / "passt.pt"
    torch.save({"model": state} if layout == "model" else state, path)
    again = load("passt_s", checkpoint=path, options={"heads": 4})
    batch = features(1, 100)
    assert torch.equal(again(batch).logits, encoder(batch).logits)
    bare = load("passt_s", checkpoint=path, options={"heads": 4, "classes": None})
    assert bare(batch).logits is None
    assert torch.equal(bare(batch).pooled, encoder(batch).pooled)


@pytest.mark.parametrize("stride", [10, 12, 14, 16, 20])
@pytest.mark.parametrize("frames", [998, 2000])
def test_sizes_are_read_from_the_tensors(stride: int, frames: int) -> None:
    options = {"embed_dim": 128, "heads": 2, "depth": 1, "mlp_ratio": 3, "classes": 7}
    encoder = Passt(stride=stride, input_frames=frames, **options)
    again = Passt.from_checkpoint(checkpoint(encoder.state_dict()))
    assert again.stride == (stride, stride)
    assert again.blocks[0].attn.heads == 2
    assert again.time_new_pos_embed.shape == encoder.time_new_pos_embed.shape


def test_a_stride_can_be_told() -> None:
    state = tiny(stride=(16, 10)).state_dict()
    assert Passt.from_checkpoint(checkpoint(state), heads=4, stride=[16, 10]).stride == (16, 10)


def _without(state: dict[str, Tensor], key: str) -> dict[str, Tensor]:
    return {k: v for k, v in state.items() if k != key}


@pytest.mark.parametrize(
    ("change", "options", "says"),
    [
        (lambda s: s, {}, "32 wide tokens are no whole number of heads.*\n.*`heads`"),
        (lambda s: s, {"heads": 4, "depth": 1}, "unexpected.*blocks.1"),
        (lambda s: s, {"heads": 4, "stride": 10}, "shapes differ.*freq_new_pos_embed"),
        (lambda s: _without(s, "cls_token"), {"heads": 4}, "no PaSST.*no cls_token"),
        (lambda s: _without(s, "norm.bias"), {"heads": 4}, "missing: norm.bias"),
        (lambda s: s | {"mel.window": torch.ones(2)}, {"heads": 4}, "unexpected: mel.window"),
        (
            lambda s: s | {"freq_new_pos_embed": torch.ones(1, 32, 7, 1)},
            {"heads": 4},
            "7 rows of patches fit no published stride\n.*`stride`",
        ),
    ],
)
def test_a_wrong_checkpoint_is_refused(change: Any, options: dict[str, Any], says: str) -> None:
    state = change(tiny(classes=5).state_dict())
    with pytest.raises(DataError, match=says):
        Passt.from_checkpoint(checkpoint(state), **options)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"heads": 5}, "embed_dim 32 is no multiple of 5 heads"),
        ({"stride": [16]}, "stride is .16."),
        ({"stride": 0}, "stride is 0"),
        ({"input_frames": 15}, "input_frames is 15"),
        ({"patchout_time": -1}, "patchout is negative"),
        ({"overlong": "wrap"}, "overlong is 'wrap'"),
    ],
)
def test_impossible_options_are_refused(options: dict[str, Any], says: str) -> None:
    with pytest.raises(RecipeError, match=says):
        Passt(**{**Passt.TINY, **options})


@pytest.mark.parametrize(
    ("shape", "lengths", "says"),
    [
        ((1, 15, 128), None, "15 frames are less than one patch of 16\n.*shorter than 0.16 s"),
        ((1, 32, 64), None, "not .batch, frames, 128."),
        ((2, 32, 128), [32], "lengths of shape"),
    ],
)
def test_wrong_input_is_refused(shape: tuple[int, ...], lengths: Any, says: str) -> None:
    with pytest.raises(DataError, match=says):
        tiny()(torch.zeros(shape), None if lengths is None else torch.tensor(lengths))
