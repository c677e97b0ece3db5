from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("torch")

import torch

from soundseek.errors import AudioError, DataError, RecipeError
from soundseek.lab.audio_encoders import build_audio_encoder, load
from soundseek.lab.audio_encoders import vggish_crnn as module
from soundseek.lab.audio_encoders.vggish import Vggish
from soundseek.lab.audio_encoders.vggish_crnn import VggishCrnn

pytestmark = pytest.mark.lab

# The samples of five examples.
FIVE = 5 * 15_360 + 240


def tiny(**options: object) -> VggishCrnn:
    torch.manual_seed(4)
    encoder = build_audio_encoder("vggish_crnn", {**VggishCrnn.TINY, **options})
    assert isinstance(encoder, VggishCrnn)
    return encoder


def waves(n: int, samples: int = FIVE) -> torch.Tensor:
    return torch.randn(n, samples, generator=torch.Generator().manual_seed(n)) * 0.1


def test_features_are_the_vectors_before_the_last_relu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_EXAMPLES_AT_ONCE", 3)
    encoder, sound = tiny(), waves(2)
    heard = encoder.features(sound)
    assert heard.shape == (2, encoder.frames(FIVE), 64) == (2, 5, 64)
    assert encoder.frames(FIVE - 1) == 4
    assert heard.min() < 0
    assert not heard.requires_grad
    whole = encoder.vggish(encoder.vggish.features(sound)).sequence
    torch.testing.assert_close(heard, whole, rtol=0, atol=1e-6)


def test_vggish_stays_as_it_is_while_the_rest_learns() -> None:
    encoder = tiny().train()
    assert not encoder.vggish.training
    assert encoder.cnn.training
    heard, lengths = encoder.features(waves(3)), torch.tensor([5, 4, 5])
    before = {key: value.clone() for key, value in encoder.state_dict().items()}
    optimiser = torch.optim.Adam((p for p in encoder.parameters() if p.requires_grad), 1e-2)
    losses = []
    for _ in range(6):
        loss = (encoder(heard, lengths).pooled - 0.3).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]
    changed = {key for key, value in encoder.state_dict().items() if not value.equal(before[key])}
    assert changed
    assert not any(key.startswith("vggish.") for key in changed)


@torch.no_grad()
def test_one_step_an_example_and_lengths_count_examples() -> None:
    encoder = tiny().eval()
    heard = encoder.features(waves(2, 2 * FIVE))
    together = encoder(heard, torch.tensor([heard.shape[1], 6]))
    alone = encoder(heard[1:, :6])
    assert together.sequence.shape == (2, heard.shape[1], encoder.width)
    assert encoder.seconds_per_step == pytest.approx(0.96)
    torch.testing.assert_close(together.embedding[1], alone.embedding[0], rtol=0, atol=1e-5)


def test_clips_of_less_than_four_examples_are_refused() -> None:
    encoder = tiny()
    heard = encoder.features(waves(1, 3 * 15_360 + 240))
    with pytest.raises(AudioError, match=r"a clip of 3 steps .*\n.*at least 4 steps \(3.84 s\)"):
        encoder(heard)
    with pytest.raises(AudioError, match="gives VGGish no example"):
        encoder.features(waves(1, 10_000))


def test_weights_of_vggish_come_from_its_file(tmp_path: Path) -> None:
    options = {"channels": (2, 2, 2, 4), "hidden": 8, "width": 64}
    vggish = Vggish(**options)
    state = {key.replace("layers.", "features."): v for key, v in vggish.state_dict().items()}
    torch.save(state, tmp_path / "vggish.pth")
    encoder = VggishCrnn(vggish_checkpoint=tmp_path / "vggish.pth", hidden=8, channels=(2, 4))
    sound = waves(1)
    expected = vggish(vggish.features(sound)).sequence
    torch.testing.assert_close(encoder.features(sound).relu(), expected, rtol=0, atol=1e-6)
    with pytest.raises(DataError, match="no checkpoint at"):
        VggishCrnn(vggish_checkpoint=tmp_path / "absent.pth")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, r"no VGGish weights\n.*vggish_weights: random"),
        ({"vggish_weights": "random", "vggish_checkpoint": "x"}, "leave one of them out"),
        ({"vggish_weights": "none"}, "vggish_weights is 'none'"),
    ],
)
def test_random_weights_have_to_be_asked_for(options: dict[str, str], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        VggishCrnn(**options)  # type: ignore[arg-type]


def test_a_saved_one_loads_with_its_own_sizes(tmp_path: Path) -> None:
    saved = tiny(recurrent="lstm").eval()
    torch.save(saved.state_dict(), tmp_path / "run.pt")
    loaded = load("vggish_crnn", checkpoint=tmp_path / "run.pt")
    sound = waves(1)
    ours, theirs = (encoder(encoder.features(sound)) for encoder in (loaded, saved))
    torch.testing.assert_close(ours.embedding, theirs.embedding, rtol=0, atol=0)
