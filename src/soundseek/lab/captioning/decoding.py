"""From sounds to captions, through transformers' `generate`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from soundseek.errors import DataError
from soundseek.lab.captioning.captioner import Captioner
from soundseek.lab.captioning.choosing import ByChance, OnlyAllowedWords, of_words
from soundseek.lab.captioning.recipe import Decoding
from soundseek.lab.captioning.words import AllowedWords, read_words
from soundseek.lab.text_encoders import hub


@dataclass(frozen=True)
class WrittenCaption:
    """A caption, its tokens without what marks start, end and padding, and how sure the captioner
    was: the mean natural logarithm of the probabilities that it gave the caption's tokens and its
    end, before any rule of the decoding."""

    text: str
    ids: tuple[int, ...]
    mean_log_probability: float


def allowed_words(captioner: Captioner, decoding: Decoding) -> AllowedWords | None:
    """The words of the file `decoding.words`, for `write_captions`; None: any. Raises
    `RecipeError`."""
    if decoding.words is None:
        return None
    return AllowedWords(captioner.tokens, read_words(Path(decoding.words)))


@torch.no_grad()
def write_captions(
    captioner: Captioner,
    sequence: Tensor,
    mask: Tensor,
    decoding: Decoding,
    *,
    places: Sequence[int] | None = None,
    words: AllowedWords | None = None,
) -> list[WrittenCaption]:
    """Caption a batch of sounds, in eval mode; the same each time, and whatever else is in the
    batch, but for rounding.

    Args:
        sequence, mask: sound as `Captioner` takes it.
        decoding: how the sentence is chosen.
        places: of each sound in the whole; a nucleus draws by them (None: from 0 on).
        words: as `allowed_words` gives them. A word that breaks off (at `max_tokens`, or where
            `no_repeat_ngram` forbids its end) is left out: there are whole words of these only.

    Raises `DataError` for a sound without a step, or other than one place a sound.
    """
    places = range(len(sequence)) if places is None else places
    if len(places) != len(sequence):
        raise DataError(f"{len(places)} places for {len(sequence)} sounds")
    if not bool(mask.any(1).all()):
        raise DataError("a sound without a step cannot be captioned", remedy="leave it out")
    was_training = captioner.training
    captioner.eval()
    try:
        states = captioner.encode(sequence, mask)
        written = _generated(captioner, states, mask, decoding, places, words)
        if words is not None:
            written = _whole_words(written, words, captioner)
        sure = _mean_log_probabilities(captioner, states, mask, written)
    finally:
        captioner.train(was_training)
    tokens = captioner.tokens
    marks = {tokens.bos, tokens.pad, tokens.eos}
    return [
        WrittenCaption(text, tuple(one for one in ids if one not in marks), certainty)
        for text, ids, certainty in zip(
            tokens.decode(written), written.tolist(), sure.tolist(), strict=True
        )
    ]


def _generated(
    captioner: Captioner,
    states: Tensor,
    mask: Tensor,
    decoding: Decoding,
    places: Sequence[int],
    words: AllowedWords | None,
) -> Tensor:
    """Ids `[batch, tokens]`: the decoder's start, the caption, its end, padding."""
    from transformers.modeling_outputs import BaseModelOutput

    network: Any = captioner.network
    tokens = captioner.tokens
    begun = [tokens.eos, tokens.bos] if decoding.search == "runtime" else [tokens.eos]
    with hub.quiet():
        written: Tensor = network.generate(
            encoder_outputs=BaseModelOutput(last_hidden_state=states),
            attention_mask=mask.long(),
            decoder_input_ids=torch.tensor([begun], device=states.device).expand(len(states), -1),
            generation_config=_settings(captioner, decoding),
            logits_processor=_rules(captioner, decoding, places, words),
        )
    return written


def _settings(captioner: Captioner, decoding: Decoding) -> Any:
    tokens = captioner.tokens
    beams = decoding.beams if decoding.method == "beam" else 1
    as_runtime = decoding.search == "runtime"
    # What belongs to beams only is a warning elsewhere.
    of_beams = {
        "early_stopping": "never" if as_runtime else True,
        "length_penalty": decoding.length_penalty,
    }
    return hub.transformers_library().GenerationConfig(
        num_beams=beams,
        do_sample=False,
        max_length=decoding.max_tokens,
        min_length=decoding.min_tokens,
        no_repeat_ngram_size=decoding.no_repeat_ngram,
        forced_bos_token_id=tokens.bos if decoding.force_bos and not as_runtime else None,
        forced_eos_token_id=None if as_runtime else tokens.eos,
        suppress_tokens=sorted({tokens.bos, tokens.pad} - {tokens.eos}) if as_runtime else None,
        decoder_start_token_id=tokens.eos,
        bos_token_id=tokens.bos,
        pad_token_id=tokens.pad,
        eos_token_id=tokens.eos,
        use_cache=True,
        **(of_beams if beams > 1 else {}),
    )


def _rules(
    captioner: Captioner, decoding: Decoding, places: Sequence[int], words: AllowedWords | None
) -> Any:
    from transformers import LogitsProcessorList

    rules: list[Any] = []
    tokens = captioner.tokens
    if words is not None:
        rules.append(OnlyAllowedWords(words, bos=tokens.bos, eos=tokens.eos))
    if decoding.method == "nucleus":
        rules.append(
            ByChance(
                places,
                seed=decoding.seed,
                top_p=decoding.top_p,
                temperature=decoding.temperature,
            )
        )
    return LogitsProcessorList(rules)


def _whole_words(written: Tensor, words: AllowedWords, captioner: Captioner) -> Tensor:
    tokens = captioner.tokens
    kept = written.clone()
    for row, ids in enumerate(written.tolist()):
        own = of_words(ids, tokens.bos)
        start = len(ids) - len(own)
        length = own.index(tokens.eos) if tokens.eos in own else len(own)
        end = start + words.whole(own[:length])
        if end < start + length:
            kept[row, end] = tokens.eos
            kept[row, end + 1 :] = tokens.pad
    return kept


def _mean_log_probabilities(
    captioner: Captioner, states: Tensor, mask: Tensor, written: Tensor
) -> Tensor:
    logits = captioner.decode(states, mask, written[:, :-1]).float()
    following = written[:, 1:]
    found = logits.log_softmax(2).gather(2, following.unsqueeze(2)).squeeze(2)
    tokens = captioner.tokens
    own = (following != tokens.pad) & (following != tokens.bos)
    return (found * own).sum(1) / own.sum(1).clamp(min=1)
