from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

import torch
from safetensors.torch import load_file, save_file

from soundseek.errors import DataError, RecipeError
from soundseek.lab.text_encoders import create_text_encoder
from soundseek.lab.text_encoders.hugging_face import HuggingFaceText
from support.tiny_models import TEXTS, VOCABULARY, bert, edited, roberta, saved

pytestmark = pytest.mark.lab

SOUND_WIDTH = 7


@pytest.fixture(scope="module", params=["bert", "roberta"])
def family(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def upstream(family: str) -> Any:
    return bert() if family == "bert" else roberta()


@pytest.fixture(scope="module")
def folder(family: str, upstream: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved(upstream, tmp_path_factory.mktemp(family), family)


def pretrained(family: str, folder: Path, **options: Any) -> HuggingFaceText:
    torch.manual_seed(3)
    encoder = create_text_encoder(
        family,
        model=str(folder),
        weights="pretrained",
        texts=(),
        max_tokens=options.pop("max_tokens", 16),
        options=options,
    )
    assert isinstance(encoder, HuggingFaceText)
    return encoder.eval()


@pytest.fixture(scope="module")
def plain(family: str, folder: Path) -> HuggingFaceText:
    return pretrained(family, folder)


@pytest.fixture(scope="module")
def fusing(family: str, folder: Path) -> HuggingFaceText:
    encoder = pretrained(family, folder, cross_attention=True, audio_width=SOUND_WIDTH)
    generator = torch.Generator().manual_seed(8)
    with torch.no_grad():  # new layers hardly do anything: give them a voice
        for name, parameter in encoder.named_parameters():
            if "crossattention" in name or "audio_projection" in name:
                parameter += 0.4 * torch.randn(parameter.shape, generator=generator)
    return encoder


def sound(batch: int, steps: int = 5, seed: int = 4) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    states = torch.randn(batch, steps, SOUND_WIDTH, generator=generator)
    return states, torch.ones(batch, steps, dtype=torch.bool)


def close(one: torch.Tensor, other: torch.Tensor) -> None:
    torch.testing.assert_close(one, other, rtol=0, atol=1e-5)


def far(one: torch.Tensor, other: torch.Tensor) -> bool:
    return bool((one - other).abs().max() > 1e-3)


@torch.no_grad()
def test_is_what_transformers_computes(plain: HuggingFaceText, upstream: Any) -> None:
    ids, mask = plain.tokenise(TEXTS)
    states = upstream.base_model(input_ids=ids, attention_mask=mask.long()).last_hidden_state
    encoded = plain(ids, mask)
    assert encoded.mask is mask
    close(encoded.sequence[mask], states[mask])
    close(encoded.pooled, states[:, 0])
    logits = upstream(input_ids=ids, attention_mask=mask.long()).logits
    close(plain.vocabulary_logits(encoded.sequence)[mask], logits[mask])
    assert logits.shape[-1] == plain.vocabulary_size == VOCABULARY
    assert plain.report() == []


@torch.no_grad()
def test_cross_attention_leaves_plain_encoding_as_it_is(
    plain: HuggingFaceText, fusing: HuggingFaceText
) -> None:
    """A model with cross-attention is a decoder to transformers: left alone, it would see only the
    words before."""
    for texts in (TEXTS, TEXTS[:1], TEXTS[2:3] * 2):  # with and without padding
        tokens = plain.tokenise(texts)
        close(fusing(*tokens).sequence[tokens.mask], plain(*tokens).sequence[tokens.mask])


@torch.no_grad()
def test_padding_changes_nothing(fusing: HuggingFaceText) -> None:
    together = fusing.tokenise(TEXTS)
    states, steps = sound(len(TEXTS))
    steps[1, 3:] = False
    states = torch.where(steps[..., None], states, torch.tensor(9.0))
    fused = {
        causal: fusing.fuse(*together, states, steps, causal=causal) for causal in (False, True)
    }
    encoded = fusing(*together)
    for i, text in enumerate(TEXTS):
        alone = fusing.tokenise([text])
        n = alone.ids.shape[1]
        close(encoded.pooled[i], fusing(*alone).pooled[0])
        close(encoded.sequence[i, :n], fusing(*alone).sequence[0])
        heard = states[i : i + 1, steps[i]]
        ones = torch.ones(heard.shape[:2], dtype=torch.bool)
        for causal, values in fused.items():
            close(values[i, :n], fusing.fuse(*alone, heard, ones, causal=causal)[0])


@torch.no_grad()
def test_what_stands_in_the_padding_changes_nothing(fusing: HuggingFaceText) -> None:
    ids, mask = fusing.tokenise(TEXTS)
    assert not mask.all()
    other = torch.where(mask, ids, torch.tensor(VOCABULARY - 1))
    close(fusing(ids, mask).sequence[mask], fusing(other, mask).sequence[mask])
    states, steps = sound(len(TEXTS))
    for causal in (False, True):
        one = fusing.fuse(ids, mask, states, steps, causal=causal)
        two = fusing.fuse(other, mask, states, steps, causal=causal)
        close(one[mask], two[mask])


@torch.no_grad()
@pytest.mark.parametrize("causal", [False, True])
def test_causal_means_that_later_words_are_not_seen(fusing: HuggingFaceText, causal: bool) -> None:
    ids, mask = fusing.tokenise([TEXTS[1]])
    states, steps = sound(1)
    before = fusing.fuse(ids, mask, states, steps, causal=causal)
    changed = ids.clone()
    changed[0, 4] = fusing.mask_id
    after = fusing.fuse(changed, mask, states, steps, causal=causal)
    assert far(after[:, 4:], before[:, 4:])
    if causal:
        close(after[:, :4], before[:, :4])
    else:
        assert far(after[:, :4], before[:, :4])


@torch.no_grad()
def test_sound_is_heard_by_every_word(fusing: HuggingFaceText) -> None:
    ids, mask = fusing.tokenise(TEXTS[:1])
    one = fusing.fuse(ids, mask, *sound(1))
    other = fusing.fuse(ids, mask, *sound(1, seed=5))
    assert ((one - other).abs().amax(-1) > 1e-3).all()
    assert far(one, fusing(ids, mask).sequence)
    # Every word hears every step, whatever the order: also under a causal mask.
    states, steps = sound(1)
    for causal in (False, True):
        close(
            fusing.fuse(ids, mask, states.flip(1), steps, causal=causal),
            fusing.fuse(ids, mask, states, steps, causal=causal),
        )


@torch.no_grad()
def test_embedding_and_encoding_are_encoding(fusing: HuggingFaceText) -> None:
    ids, mask = fusing.tokenise(TEXTS)
    embedded = fusing.embed(ids)
    assert embedded.shape == (*ids.shape, fusing.width)
    table = fusing.network.get_input_embeddings().weight
    assert embedded.equal(table[ids])
    close(fusing.forward_embedded(embedded, mask).pooled, fusing(ids, mask).pooled)
    mixed = fusing.forward_embedded(embedded.lerp(embedded.flip(0), 0.3), mask | mask.flip(0))
    assert far(mixed.pooled, fusing(ids, mask).pooled)


def test_gradients_reach_sound_words_and_the_tied_table(fusing: HuggingFaceText) -> None:
    ids, mask = fusing.tokenise(TEXTS)
    states, steps = sound(len(TEXTS))
    states.requires_grad_()
    fused = fusing.fuse(ids, mask, states, steps, causal=True)
    fusing.vocabulary_logits(fused[mask]).square().mean().backward()
    without = [name for name, p in fusing.named_parameters() if p.grad is None]
    fusing.zero_grad()
    assert states.grad is not None
    assert states.grad.abs().min() > 0
    assert without == []
    head = fusing.network.get_output_embeddings()
    assert head.weight is fusing.network.get_input_embeddings().weight


@torch.no_grad()
def test_mean_pooling(family: str, folder: Path, plain: HuggingFaceText) -> None:
    ids, mask = plain.tokenise(TEXTS)
    pooled = pretrained(family, folder, pooling="mean")(ids, mask).pooled
    for i in range(len(TEXTS)):
        close(pooled[i], plain(ids, mask).sequence[i, mask[i]].mean(0))


def test_texts_are_cut_and_marked(family: str, folder: Path) -> None:
    encoder = pretrained(family, folder, max_tokens=5)
    ids, mask = encoder.tokenise([TEXTS[1], TEXTS[2], ""])
    assert ids.shape == (3, 5)
    assert mask.sum(1).tolist() == [5, 4, 2]
    ends = {int(ids[2, 0]), int(ids[2, 1]), int(ids[2, 2]), encoder.mask_id}
    assert ends < encoder.special_ids
    assert len(encoder.special_ids) == 5
    with pytest.raises(DataError, match="no texts to encode"):
        encoder.tokenise([])


@torch.no_grad()
def test_resources_and_weights_make_it_again(fusing: HuggingFaceText) -> None:
    resources = json.loads(json.dumps(fusing.resources()))
    again = HuggingFaceText.from_resources(resources).eval()
    tokens, states = fusing.tokenise(TEXTS), sound(len(TEXTS))
    assert far(again(*tokens).pooled, fusing(*tokens).pooled)
    again.load_state_dict(fusing.state_dict())
    assert again.tokenise(TEXTS).ids.equal(tokens.ids)
    close(again(*tokens).pooled, fusing(*tokens).pooled)
    close(again.fuse(*tokens, *states), fusing.fuse(*tokens, *states))
    assert again.report() == []


def test_new_layers_are_reported_and_drawn_as_the_architecture_asks(
    family: str, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        encoder = pretrained(family, folder, cross_attention=True, audio_width=SOUND_WIDTH)
    new = encoder.report()
    assert new[-1] == "audio_projection"
    names = set(encoder.state_dict())
    assert set(new[:-1]) == {name for name in names if ".crossattention." in name}
    assert len(new) == 2 * 10 + 1
    assert "crossattention" in caplog.text
    values = encoder.state_dict()
    for name in new[:-1]:
        if name.endswith("query.weight"):
            assert 0.2 < values[name].std() < 0.4  # the configuration's 0.3
        if name.endswith("query.bias"):
            assert not values[name].any()


def test_without_cross_attention_there_is_nothing_to_fuse(plain: HuggingFaceText) -> None:
    assert not plain.cross_attention
    with pytest.raises(RecipeError, match="cross_attention: true"):
        plain.fuse(*plain.tokenise(TEXTS[:1]), *sound(1))


def test_sound_of_another_width_is_refused(fusing: HuggingFaceText) -> None:
    states, steps = sound(1)
    with pytest.raises(DataError, match=r"are 3 wide, not 7\n.*audio_width=3"):
        fusing.fuse(*fusing.tokenise(TEXTS[:1]), states[..., :3], steps)


def test_dropout_is_set_and_heeds_eval_mode(family: str, folder: Path) -> None:
    encoder = pretrained(family, folder, dropout=0.4)
    rates = {m.p for m in encoder.modules() if isinstance(m, torch.nn.Dropout)}
    assert rates == {0.4}
    tokens = encoder.tokenise(TEXTS)
    assert encoder(*tokens).pooled.equal(encoder(*tokens).pooled)
    encoder.train()
    assert not encoder(*tokens).pooled.equal(encoder(*tokens).pooled)


def test_weights_without_a_prediction_head(family: str, upstream: Any, tmp_path: Path) -> None:
    """The body alone is a checkpoint, too; its head is drawn and reported."""
    encoder = pretrained(family, saved(upstream.base_model, tmp_path, family))
    head = "cls." if family == "bert" else "lm_head."
    assert encoder.report()
    assert all(name.startswith(f"network.{head}") for name in encoder.report())
    tokens = encoder.tokenise(TEXTS)
    states = upstream.base_model(tokens.ids, attention_mask=tokens.mask.long()).last_hidden_state
    close(encoder(*tokens).sequence[tokens.mask], states[tokens.mask])


@pytest.mark.parametrize("split", [False, True])
def test_weights_of_old_names_and_in_several_files(
    split: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """As bert-base-uncased has them: gamma and beta, and parts of a pretraining nobody needs."""
    upstream = bert("BertForPreTraining")
    folder = saved(upstream, tmp_path)
    tensors = {
        key.replace("LayerNorm.weight", "LayerNorm.gamma").replace(
            "LayerNorm.bias", "LayerNorm.beta"
        ): v
        for key, v in load_file(folder / "model.safetensors").items()
    }
    (folder / "model.safetensors").unlink()
    if split:
        names = sorted(tensors)
        parts = {"a.bin": names[::2], "b.bin": names[1::2]}
        for part, keys in parts.items():
            torch.save({key: tensors[key] for key in keys}, folder / part)
        index = {"weight_map": {key: part for part, keys in parts.items() for key in keys}}
        (folder / "pytorch_model.bin.index.json").write_text(json.dumps(index))
    else:
        torch.save(tensors, folder / "pytorch_model.bin")
    encoder = pretrained("bert", folder)
    assert encoder.report() == []
    assert caplog.text == ""
    ids, mask = encoder.tokenise(TEXTS)
    logits = upstream(ids, attention_mask=mask.long()).prediction_logits
    close(encoder.vocabulary_logits(encoder(ids, mask).sequence)[mask], logits[mask])


def test_half_precision_weights_come_as_float32(tmp_path: Path) -> None:
    encoder = pretrained("bert", saved(bert().half(), tmp_path))
    assert {parameter.dtype for parameter in encoder.parameters()} == {torch.float32}


# Random weights


def test_random_weights_learn_their_tokenizer(family: str) -> None:
    torch.manual_seed(1)
    texts = [*TEXTS, *TEXTS]
    options = {**HuggingFaceText.TINY, "cross_attention": True}
    encoder = create_text_encoder(
        family, model=None, weights="random", texts=texts, max_tokens=9, options=options
    )
    assert isinstance(encoder, HuggingFaceText)
    ids, mask = encoder.tokenise(["rain falls", "a dog barks far away"])
    assert ids[0, mask[0]].tolist() == encoder.tokenise(["rain falls"]).ids[0].tolist()
    assert ids[~mask].tolist() == [0] * int((~mask).sum())
    assert encoder.mask_id == 3
    assert encoder.special_ids == frozenset(range(4))
    assert encoder.vocabulary_size == int(encoder.network.config.vocab_size)
    assert encoder.width == encoder.audio_width == 32
    assert encoder.audio_projection is None
    assert encoder.report() == []
    fused = encoder.fuse(ids, mask, torch.ones(2, 3, 32), torch.ones(2, 3, dtype=torch.bool))
    assert encoder.vocabulary_logits(fused).shape == (*ids.shape, encoder.vocabulary_size)


def test_random_weights_come_from_torch_alone() -> None:
    def drawn(seed: int) -> torch.Tensor:
        torch.manual_seed(seed)
        encoder = create_text_encoder(
            "bert",
            model="bert-base-uncased",
            weights="random",
            texts=TEXTS,
            max_tokens=9,
            options=HuggingFaceText.TINY,
        )
        return torch.cat([p.flatten() for p in encoder.parameters()])  # type: ignore[attr-defined]

    assert drawn(1).equal(drawn(1))
    assert not drawn(1).equal(drawn(2))


@pytest.mark.parametrize(
    ("row", "name", "sizes"),
    [
        ("bert", None, (768, 12, 12, 3072)),
        ("bert", "google-bert/bert-base-uncased", (768, 12, 12, 3072)),
        ("roberta", "roberta-base", (768, 12, 12, 3072)),
        ("roberta", "FacebookAI/roberta-large", (1024, 24, 16, 4096)),
    ],
)
def test_public_sizes_need_no_download(
    row: str, name: str | None, sizes: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Any] = []

    def built(config: Any) -> Any:
        seen.append(config)
        return (bert if row == "bert" else roberta)(vocab_size=config.vocab_size)

    monkeypatch.setattr("soundseek.lab.text_encoders.hugging_face.new_network", built)
    create_text_encoder(row, model=name, weights="random", texts=TEXTS, max_tokens=32)
    (config,) = seen
    names = ("hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size")
    assert tuple(getattr(config, field) for field in names) == sizes
    assert config.max_position_embeddings == (512 if row == "bert" else 514)
    assert config.layer_norm_eps == (1e-12 if row == "bert" else 1e-5)


def test_a_folder_gives_random_weights_its_sizes_and_tokenizer(
    family: str, folder: Path, plain: HuggingFaceText
) -> None:
    encoder = create_text_encoder(
        family,
        model=str(folder),
        weights="random",
        texts=(),
        max_tokens=16,
        options={"layers": 1},
    )
    assert isinstance(encoder, HuggingFaceText)
    assert encoder.width == plain.width
    assert encoder.network.config.num_hidden_layers == 1
    assert encoder.tokenise(TEXTS).ids.equal(plain.tokenise(TEXTS).ids)
    one, other = (e.network.get_input_embeddings().weight for e in (encoder, plain))
    assert far(one, other)


# What is refused


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"poling": "cls"}, r"option of bert .*'poling'\n.*'pooling'"),
        ({"pooling": "max"}, r"no pooling is called 'max'"),
        ({"layers": 3}, r"layers of bert: pretrained weights bring their own sizes"),
        ({"vocabulary": 3}, r"vocabulary of bert: pretrained"),
        ({"max_tokens": 21}, r"max_tokens is 21, and .* has 20 positions"),
        ({"max_tokens": 0}, r"max_tokens is 0"),
    ],
)
def test_options_that_do_not_fit(options: dict[str, Any], message: str, tmp_path: Path) -> None:
    folder = saved(bert(), tmp_path)
    with pytest.raises(RecipeError, match=message):
        pretrained("bert", folder, **options)


def test_roberta_has_fewer_positions_than_rows(tmp_path: Path) -> None:
    folder = saved(roberta(), tmp_path, "roberta")
    encoder = pretrained("roberta", folder, max_tokens=20)
    assert encoder(*encoder.tokenise([" ".join(["rain"] * 30)])).sequence.shape[1] == 20
    with pytest.raises(RecipeError, match=r"max_tokens is 21, and .* has 20 positions"):
        pretrained("roberta", folder, max_tokens=21)


def random_bert(**options: Any) -> Any:
    return create_text_encoder(
        "bert",
        model=options.pop("model", None),
        weights="random",
        texts=options.pop("texts", TEXTS),
        max_tokens=options.pop("max_tokens", 9),
        options={**HuggingFaceText.TINY, **options},
    )


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"heads": 5}, RecipeError, "width 32 of bert cannot be shared by 5 heads"),
        ({"max_tokens": 513}, RecipeError, "has 512 positions"),
        ({"model": "bert-base-uncasd"}, RecipeError, "'bert-base-uncased'?"),
        ({"texts": ()}, DataError, "no captions from which a tokenizer"),
    ],
)
def test_random_weights_that_cannot_be(
    options: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        random_bert(**options)


def test_a_vocabulary_for_a_folder_that_has_one(tmp_path: Path) -> None:
    folder = saved(bert(), tmp_path)
    with pytest.raises(RecipeError, match=r"vocabulary is 300, and .* brings a tokenizer"):
        random_bert(model=str(folder))


def test_pretrained_needs_a_model() -> None:
    with pytest.raises(RecipeError, match=r"pretrained roberta needs a model\n.*roberta-base"):
        create_text_encoder("roberta", model=None, weights="pretrained", texts=(), max_tokens=8)


def test_another_architecture_is_refused(tmp_path: Path) -> None:
    folder = saved(roberta(), tmp_path, "roberta")
    with pytest.raises(DataError, match=r"is a roberta, not a bert\n.*text encoder roberta"):
        pretrained("bert", folder)


def test_every_weight_that_does_not_fit_is_named(tmp_path: Path) -> None:
    folder = saved(bert(), tmp_path)
    tensors = load_file(folder / "model.safetensors")
    first = "bert.encoder.layer.0."
    tensors.pop(f"{first}output.dense.bias")
    tensors[f"{first}extra"] = torch.ones(2)
    tensors[f"{first}intermediate.dense.bias"] = torch.ones(3)
    save_file(tensors, folder / "model.safetensors")
    with pytest.raises(DataError) as caught:
        pretrained("bert", folder)
    message = str(caught.value)
    assert f"1 keys are missing: {first}output.dense.bias" in message
    assert "1 keys are unexpected:" in message
    assert "extra" in message
    assert "intermediate.dense.bias (3,) for (24,)" in message


def test_a_tokenizer_that_is_too_large_or_has_no_mask(tmp_path: Path) -> None:
    folder = saved(bert(vocab_size=10), tmp_path / "small")
    with pytest.raises(DataError, match=f"tokenizer has {VOCABULARY} tokens, the model 10"):
        pretrained("bert", folder)
    folder = saved(bert(), tmp_path / "maskless")
    text = (folder / "tokenizer.json").read_text().replace("[MASK]", "[NONE]")
    (folder / "tokenizer.json").write_text(text)
    with pytest.raises(DataError, match=r"no \[MASK\]"):
        pretrained("bert", folder)


def test_a_config_that_lies_is_refused(tmp_path: Path) -> None:
    folder = saved(bert(), tmp_path)
    edited(folder, "config.json", hidden_size=20)
    with pytest.raises(DataError, match=r"shapes differ"):
        pretrained("bert", folder)
