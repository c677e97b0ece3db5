from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

pytest.importorskip("torch")

import torch
from torch import nn

from soundseek.errors import RecipeError
from soundseek.lab.audio_encoders import build_audio_encoder, encoder_class
from soundseek.lab.augment.mixup import mix_rows
from soundseek.lab.augment.pipeline import TextResources
from soundseek.lab.augment.settings import AudioAugment
from soundseek.lab.objectives.pairs import PairBatch
from soundseek.lab.retrieval.batches import Batch, BatchMaker, Sounds
from soundseek.lab.retrieval.model import RetrievalModel
from soundseek.lab.retrieval.outputs import pair_batch
from soundseek.lab.retrieval.recipe import Augment
from soundseek.lab.retrieval.towers import AudioTower, TextTower
from soundseek.lab.text_encoders import create_text_encoder
from soundseek.lab.training.pairs import Pair
from support.retrieval import noise

pytestmark = pytest.mark.lab

TEXTS = ("rain on a roof", "a dog barks at night", "wind", "waves and wind", "a bell", "rain")
SECONDS = (0.9, 0.5, 1.3, 0.8, 0.31, 1.1)
STRIPES = AudioAugment(spec_time_stripes=2, spec_time_width=20)
MIXED = AudioAugment(mixup_share=0.5)


def model_of(
    audio: str = "panns_cnn10",
    *,
    text: str = "bert",
    window: int | None = None,
    frozen_text: bool = False,
    frozen_audio: bool = False,
) -> RetrievalModel:
    torch.manual_seed(0)
    options = dict(encoder_class(audio).TINY)
    if audio.startswith("panns"):
        options |= {"frontend": "panns_16k", "dropout": 0.0}
    encoder = build_audio_encoder(audio, options)
    sizes = {"bert": {"layers": 1, "width": 16, "heads": 2, "intermediate": 32, "vocabulary": 100}}
    reader = create_text_encoder(
        text,
        model=None,
        weights="random",
        texts=TEXTS,
        max_tokens=12,
        options=sizes.get(text, {"dimension": 16})
        | ({"architecture": "bert", "dropout": 0.0} if text == "bert" else {}),
    )
    return RetrievalModel(
        AudioTower(
            encoder,
            projected=nn.Linear(encoder.width, 8),
            window_samples=window,
            frozen=frozen_audio,
        ),
        TextTower(reader, projected=nn.Linear(16, 8), frozen=frozen_text),
    )


@pytest.fixture
def batch_of(make_clip: Callable[..., Any], make_store: Callable[..., Any]) -> Callable[..., Batch]:
    """Return batch_of(augment, rate=16000, plain=False, epoch=0) → all six pairs."""

    def made(
        augment: AudioAugment, *, rate: int = 16000, plain: bool = False, epoch: int = 0
    ) -> Batch:
        clips = [make_clip(f"c{i}", [text], group=f"g{i % 3}") for i, text in enumerate(TEXTS)]
        store = make_store([noise(s, rate, seed=i) for i, s in enumerate(SECONDS)], rate)
        sounds = Sounds.of(clips, store, least=rate // 4, most=2 * rate)
        maker = BatchMaker(sounds, Augment(audio=augment), TextResources(), 0)
        pairs = [Pair(i, 0, i) for i in range(len(TEXTS))]
        return maker.plain(pairs) if plain else maker.training(pairs, epoch, 0)

    return made


def run(model: RetrievalModel, batch: Batch, augment: AudioAugment, **more: Any) -> PairBatch:
    torch.manual_seed(5)
    return pair_batch(model, batch, augment, torch.Generator().manual_seed(0), **more)


@pytest.mark.parametrize("window", [None, 6000])
@pytest.mark.parametrize("frozen", [False, True])
def test_mixed_pairs_stand_behind_the_plain_ones(
    batch_of: Callable[..., Batch], window: int | None, frozen: bool
) -> None:
    model = model_of(window=window, frozen_text=frozen).eval()
    batch = batch_of(MIXED)
    assert batch.plans is not None
    mixing = batch.plans[1].pairs
    seen = run(model, batch, MIXED)
    plain = run(model, batch_of(AudioAugment()), AudioAugment())
    n = len(TEXTS)
    assert len(mixing) == 3
    assert seen.plain == plain.plain == n
    assert len(seen.audio) == len(seen.text) == len(seen.groups) == n + 3
    torch.testing.assert_close(seen.audio[:n], plain.audio, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(seen.text[:n], plain.text, rtol=1e-4, atol=1e-5)
    # Each mixed pair is of a group of its own.
    groups = seen.groups.tolist()
    assert groups[:n] == [0, 1, 2, 0, 1, 2]
    assert len(set(groups[n:])) == 3
    assert not set(groups[n:]) & {0, 1, 2}
    # Encodings and tokens are of the plain pairs alone.
    assert len(seen.audio_encoding.pooled) == len(seen.text_encoding.pooled) == n
    assert len(seen.audio_encoding.mask) == len(seen.tokens.ids) == n
    # Log-mels are mixed window by window, and the longer sound's frames count.
    features, frames, count = model.audio.features(batch.waveforms, batch.samples)
    windows = features.reshape(n, count, *features.shape[1:])
    both = mix_rows(windows, mixing).flatten(0, 1)
    first, second = list(mixing.first), list(mixing.second)
    lengths = frames.reshape(n, count)
    longer = torch.maximum(lengths[first], lengths[second]).flatten()
    wanted = model.compared(model.audio.embed(model.audio.encode(both, longer, count)))
    torch.testing.assert_close(seen.audio[n:], wanted, rtol=1e-4, atol=1e-5)
    assert not seen.text[n:].allclose(seen.text[first])


def test_mixup_asks_for_what_it_needs(batch_of: Callable[..., Batch]) -> None:
    batch = batch_of(MIXED)
    with pytest.raises(RecipeError, match=r"word embeddings.*\n.*mixup_share: 0"):
        run(model_of(text="word_vectors"), batch, MIXED)
    for what, more in (
        ("sound-event vectors", {"events": torch.zeros(6, 2)}),
        ("teachers", {"correspondences": torch.zeros(6, 6)}),
    ):
        with pytest.raises(RecipeError, match=rf"mixup does not go with {what}\n.*mixup_share: 0"):
            run(model_of(), batch, MIXED, **more)


@pytest.mark.parametrize("audio", ["panns_cnn10", "cau_cnn10_gru", "dcase2022_crnn"])
@pytest.mark.parametrize("window", [None, 15000])
def test_stripes_are_for_training_alone(
    batch_of: Callable[..., Batch], audio: str, window: int | None
) -> None:
    """Neither a plain batch nor the next one hears those of a batch before."""
    model = model_of(audio, window=window)
    rate = model.audio.audio_encoder.sample_rate
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    if audio == "cau_cnn10_gru":
        encoder: Any = model.audio.encoder
        encoder.cnn.dropout = 0.0
    model.train()
    striped = batch_of(STRIPES, rate=rate)
    with torch.no_grad():
        one = run(model, striped, STRIPES)
        again = run(model, striped, STRIPES)
        other = run(model, batch_of(STRIPES, rate=rate, epoch=1), STRIPES)
        without = run(model, striped, AudioAugment())
        torch.testing.assert_close(one.audio, again.audio)
        assert not one.audio.allclose(other.audio, atol=1e-4)
        assert not one.audio.allclose(without.audio, atol=1e-4)
        assert getattr(model.audio.encoder, "augment", None) is None
        plain = batch_of(STRIPES, rate=rate, plain=True)
        model.eval()
        quiet = run(model, plain, STRIPES)
        heard = model.embed_audio(plain.waveforms, plain.samples)
        torch.testing.assert_close(quiet.audio, heard.embedding)


@pytest.mark.parametrize(("encoder", "value"), [("yamnet", None), ("beats", 0.0)])
def test_stripes_are_as_loud_as_their_sound(
    batch_of: Callable[..., Batch], encoder: str, value: float | None
) -> None:
    """0 would be loud among plain log-mels; where a front-end normalises, it is the mean."""
    model = model_of(encoder)
    heard: list[torch.Tensor] = []
    model.audio.encoder.register_forward_pre_hook(lambda _, inputs: heard.append(inputs[0]))
    batch = batch_of(STRIPES)
    plain, frames, _ = model.audio.features(batch.waveforms, batch.samples)
    pair_batch(model, batch, STRIPES, torch.Generator())
    for item, before, n in zip(heard[0], plain, frames.tolist(), strict=True):
        changed = (item[:n] - before[:n]).abs().amax(1) > 1e-3
        assert changed.any()
        expected = before[:n].mean() if value is None else torch.tensor(value)
        torch.testing.assert_close(item[:n][changed].mean(), expected, rtol=1e-4, atol=1e-4)


def test_the_hook_is_taken_out_even_when_the_encoder_fails(batch_of: Callable[..., Batch]) -> None:
    model = model_of().train()
    batch = batch_of(STRIPES)

    def fail(*_: Any) -> None:
        raise RuntimeError("out of memory")

    model.audio.encoder.register_forward_pre_hook(fail)
    with pytest.raises(RuntimeError, match="out of memory"):
        run(model, batch, STRIPES)
    encoder: Any = model.audio.encoder
    assert encoder.augment is None


def test_mixstyle_is_for_whole_clips(batch_of: Callable[..., Batch]) -> None:
    style = AudioAugment(p_mixstyle=1.0)
    batch = batch_of(style)
    model = model_of().eval()
    changed, plain = run(model, batch, style), run(model, batch, AudioAugment())
    assert not changed.audio.allclose(plain.audio, atol=1e-5)
    with pytest.raises(RecipeError, match=r"whole clips\n.*window_s: null"):
        run(model_of(window=6000), batch, style)


def test_a_frozen_text_encoder_gives_its_vectors_as_a_sequence_of_one(
    batch_of: Callable[..., Batch],
) -> None:
    model = model_of(frozen_text=True).eval()
    free = model_of().eval()
    batch = batch_of(AudioAugment())
    one, other = run(model, batch, AudioAugment()), run(free, batch, AudioAugment())
    assert one.text_encoding.sequence.shape == (6, 1, 16)
    assert one.text_encoding.mask.shape == (6, 1)
    torch.testing.assert_close(one.text, other.text, rtol=1e-4, atol=1e-5)
    assert not one.text_encoding.pooled.requires_grad
    assert one.text.requires_grad


def test_scores_may_be_dot_products(batch_of: Callable[..., Batch]) -> None:
    model = model_of().eval()
    model.normalise = False
    seen = run(model, batch_of(AudioAugment()), AudioAugment())
    lengths = seen.audio.norm(dim=1)
    assert not torch.allclose(lengths, torch.ones(6), atol=1e-2)
    model.normalise = True
    unit = run(model, batch_of(AudioAugment()), AudioAugment())
    torch.testing.assert_close(unit.audio, seen.audio / lengths[:, None])
