"""Which architecture a set of tensors belongs to, told from keys and shapes alone.

Each of `FINGERPRINTS` takes the tensors by key and what the file says of its configuration, and
gives a `Fingerprint`, or None where the tell-tale keys are not there.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from torch import Tensor

from soundseek.audio.frontends import PRESETS
from soundseek.lab.audio_encoders.panns import AUDIOSET_CLASSES

Tensors = Mapping[str, Tensor]


@dataclass(frozen=True)
class Fingerprint:
    """What the tensors are.

    Attributes:
        kind: in words.
        architecture: name in the table of audio encoders; None where none of them reads it.
        sizes: by name, what tells this network from others of its kind; None = not in the file.
        belongs: regular expression of the keys that such a network has.
        warnings: what one should know before using it.
    """

    kind: str
    architecture: str | None
    sizes: Mapping[str, Any]
    belongs: str
    warnings: tuple[str, ...] = ()


_NORM = r"(weight|bias|running_mean|running_var|num_batches_tracked)"
_BLOCK = rf"(conv[12]\.weight|bn[12]\.{_NORM})"
_PANNS = (
    r"spectrogram_extractor\.stft\.conv_(real|imag)\.weight|logmel_extractor\.melW"
    rf"|bn0\.{_NORM}|conv_block(\d|_after1)\.{_BLOCK}|(fc1|fc_audioset)\.(weight|bias)"
    rf"|resnet\.layer[1-4]\.\d+\.({_BLOCK}|downsample\.\d\.{_NORM})"
)
_SAME_TENSORS = (
    "Cnn14_DecisionLevelMax has the same tensors: load its file as panns_cnn14_decision_level_max"
)
_RATES = {PRESETS[name].fft_size // 2 + 1: name for name in ("panns_32k", "panns_16k")}
_PASST_S_DEPTH, _PASST_L_DEPTH = 12, 7
_PASST_BANDS, _PASST_PATCH = 128, 16


def _panns(tensors: Tensors, config: Mapping[str, Any]) -> Fingerprint | None:
    if (found := _log_mel_network(tensors)) is None:
        return None
    name, sizes, warnings = found
    classes = _size(tensors, "fc_audioset.weight")
    if classes is None:
        warnings += ("no classifier: load it with the option classes=None",)
    rows = {"Cnn10": "panns_cnn10", "Cnn14": "panns_cnn14"}
    row = "panns_resnet38" if "blocks" in sizes else rows.get(name)
    if row == "panns_cnn14" and sizes["frontend"] == "panns_16k":
        name, row = "Cnn14_16k", "panns_cnn14_16k"
    elif row == "panns_cnn14" and classes is not None:
        warnings += (_SAME_TENSORS,)
    sizes |= {"classes": classes, "fine_tuned": classes not in (None, AUDIOSET_CLASSES)}
    return Fingerprint(f"PANNs {name}", row, sizes, _PANNS, warnings)


def _surrey(tensors: Tensors, config: Mapping[str, Any]) -> Fingerprint | None:
    prefix = "audio_enc.audio_enc."
    if (found := _log_mel_network(_under(tensors, prefix))) is None:
        return None
    name, sizes, warnings = found
    shared = _size(tensors, "audio_linear.2.weight")
    if shared is None:
        warnings += ("no projection into the shared space (audio_linear)",)
    sizes |= {
        "embed_dim": shared,
        "text_encoder": any(key.startswith("text_enc.") for key in tensors),
        "fine_tuned": True,
    }
    rows = {"Cnn10": "surrey_cnn10", "Cnn14": "surrey_cnn14"}
    row = "surrey_resnet38" if "blocks" in sizes else rows.get(name)
    heads = r"(audio|text)_linear\.[02]\.(weight|bias)|text_enc\..+"
    belongs = rf"{re.escape(prefix)}({_PANNS})|{heads}"
    return Fingerprint(f"Surrey ASE {name}", row, sizes, belongs, warnings)


def _cau(tensors: Tensors, config: Mapping[str, Any]) -> Fingerprint | None:
    found = _log_mel_network(_under(tensors, "cnn."))
    if found is None or "gru.weight_hh_l0" not in tensors:
        return None
    sizes = {
        "channels": found[1].get("channels"),
        "hidden": _size(tensors, "gru.weight_hh_l0", 1),
        "fine_tuned": True,
    }
    return Fingerprint("CAU Cnn10 and GRU", "cau_cnn10_gru", sizes, rf"cnn\.({_PANNS})|gru\..+")


def _log_mel_network(tensors: Tensors) -> tuple[str, dict[str, Any], tuple[str, ...]] | None:
    """Name, sizes and warnings of what PANNs and Surrey have in common: the convolutions."""
    if not {"bn0.weight", "conv_block1.conv1.weight", "conv_block1.conv2.weight"} <= set(tensors):
        return None
    # ResNet54 has blocks of three convolutions, which no encoder here has.
    if any(re.fullmatch(r"resnet\..+\.conv3\.weight", key) for key in tensors):
        return None
    sizes: dict[str, Any] = {}
    # PANNs number their networks by the layers: those of the blocks, and what is around them.
    if "conv_block_after1.conv1.weight" in tensors:
        layers = (rf"resnet\.layer{number}\.(\d+)\." for number in range(1, 5))
        sizes["blocks"] = tuple(_count(tensors, layer) for layer in layers)
        name = f"ResNet{2 * sum(sizes['blocks']) + 6}"
    else:
        sizes["channels"] = _rows(tensors, r"conv_block(\d+)\.conv2\.weight")
        name = f"Cnn{2 * len(sizes['channels']) + 2}"
    bins = _size(tensors, "logmel_extractor.melW")
    sizes["frontend"] = None if bins is None else _RATES.get(bins)
    warnings: tuple[str, ...] = ()
    if bins is None:
        warnings = ("no front-end tables in the file: its sample rate is not told",)
    elif sizes["frontend"] is None:
        warnings = (f"a front-end of {bins} frequencies, of which there is no preset",)
    return name, sizes, warnings


def _crnn(tensors: Tensors, config: Mapping[str, Any]) -> Fingerprint | None:
    hidden = _size(tensors, "audio_enc.gru.weight_hh_l0", 1)
    if hidden is None or "audio_enc.cnn.features.1.weight" not in tensors:
        return None
    sizes = {
        "channels": _rows(tensors, r"audio_enc\.cnn\.features\.(\d+)\.weight", dimensions=4),
        "hidden": hidden,
        "embed_dim": 2 * hidden,
        "words": _size(tensors, "text_enc.word_enc.embedding.weight"),
        "fine_tuned": True,
    }
    belongs = r"audio_enc\.(cnn|gru)\..+|text_enc\..+"
    return Fingerprint("DCASE 2022 baseline CRNN", "dcase2022_crnn", sizes, belongs)


def _beats(tensors: Tensors, config: Mapping[str, Any]) -> Fingerprint | None:
    heads = _size(tensors, "encoder.layers.0.self_attn.grep_a", 1)
    if heads is None or "patch_embedding.weight" not in tensors:
        return None
    sizes = {
        "depth": _count(tensors, r"encoder\.layers\.(\d+)\."),
        "width": _size(tensors, "encoder.layer_norm.weight"),
        "heads": heads,
        "embed_dim": _size(tensors, "patch_embedding.weight"),
        "classes": _size(tensors, "predictor.weight"),
        "fine_tuned": "predictor.weight" in tensors,
    }
    warnings = () if config else ("no cfg beside the tensors, which says how they are to be run",)
    belongs = r"(patch_embedding|layer_norm|post_extract_proj|encoder|predictor)\..+"
    return Fingerprint("BEATs", "beats", sizes, belongs, warnings)


def _passt(tensors: Tensors, config: Mapping[str, Any]) -> Fingerprint | None:
    prefix = "net." if "net.freq_new_pos_embed" in tensors else ""
    net = _under(tensors, prefix)
    rows = _size(net, "freq_new_pos_embed", 2)
    columns = _size(net, "time_new_pos_embed", 3)
    if rows is None or columns is None:
        return None
    depth = _count(net, r"blocks\.(\d+)\.")
    classes = _size(net, "head.1.weight")
    sizes = {
        "depth": depth,
        "width": _size(net, "cls_token", 2),
        "grid": (rows, columns),
        "stride": (_PASST_BANDS - _PASST_PATCH) // max(rows - 1, 1),
        "classes": classes,
        "prefix": prefix,
        "fine_tuned": classes not in (None, AUDIOSET_CLASSES),
    }
    kind = {_PASST_S_DEPTH: "PaSST-S", _PASST_L_DEPTH: "PaSST-L"}.get(depth, "PaSST")
    row = "passt_l" if depth == _PASST_L_DEPTH else "passt_s"
    warnings = () if kind != "PaSST" else (f"{depth} blocks, where PaSST-S has 12 and PaSST-L 7",)
    # A wrapper keeps its front-end, and what tells it its device, beside the network.
    belongs = (
        rf"{re.escape(prefix)}(cls_token|dist_token|(freq_|time_)?new_pos_embed"
        r"|(patch_embed|blocks|norm|head|head_dist)\..+)|device_proxy|mel\..+"
    )
    return Fingerprint(kind, row, sizes, belongs, warnings)


def _vggish(tensors: Tensors, config: Mapping[str, Any]) -> Fingerprint | None:
    if not {"features.0.weight", "embeddings.0.weight"} <= set(tensors):
        return None
    sizes = {
        "channels": _rows(tensors, r"features\.(\d+)\.weight"),
        "embed_dim": _size(tensors, "embeddings.4.weight"),
        "pca": "pproc.pca_eigen_vectors" in tensors,
    }
    belongs = r"(features|embeddings)\.\d+\.(weight|bias)|pproc\.pca_(eigen_vectors|means)"
    return Fingerprint("VGGish", "vggish", sizes, belongs)


def _vggish_pca(tensors: Tensors, config: Mapping[str, Any]) -> Fingerprint | None:
    if not {"pca_eigen_vectors", "pca_means"} <= set(tensors):
        return None
    sizes = {"embed_dim": _size(tensors, "pca_eigen_vectors")}
    warnings = ("no network: it goes with a VGGish, whose vectors it transforms",)
    return Fingerprint("VGGish PCA", None, sizes, r"pca_(eigen_vectors|means)", warnings)


def _clap(tensors: Tensors, config: Mapping[str, Any]) -> Fingerprint | None:
    if not any(key.startswith("audio_model.audio_encoder.") for key in tensors):
        return None
    words = _size(tensors, "text_model.embeddings.word_embeddings.weight")
    sizes = {
        "embed_dim": _size(tensors, "audio_projection.linear2.weight"),
        "stages": _count(tensors, r"audio_model\.audio_encoder\.layers\.(\d+)\."),
        "words": words,
        "text_encoder": words is not None,
    }
    belongs = r"(audio_model|text_model|audio_projection|text_projection)\..+|logit_scale_[at]"
    warnings = ("its settings are beside it: load the folder, not this file",)
    return Fingerprint("CLAP (Hugging Face)", "clap", sizes, belongs, warnings)


FINGERPRINTS: Final[tuple[Callable[[Tensors, Mapping[str, Any]], Fingerprint | None], ...]] = (
    _panns,
    _surrey,
    _cau,
    _crnn,
    _beats,
    _passt,
    _vggish,
    _vggish_pca,
    _clap,
)


def _under(tensors: Tensors, prefix: str) -> Tensors:
    return {k.removeprefix(prefix): value for k, value in tensors.items() if k.startswith(prefix)}


def _size(tensors: Tensors, key: str, axis: int = 0) -> int | None:
    """A size of a tensor; None where there is no such tensor or axis."""
    if key not in tensors or tensors[key].ndim <= axis:
        return None
    return int(tensors[key].shape[axis])


def _count(tensors: Tensors, pattern: str) -> int:
    """How many different numbers the keys have where the pattern's group is."""
    return len({match[1] for key in tensors if (match := re.match(pattern, key))})


def _rows(tensors: Tensors, pattern: str, dimensions: int = 4) -> tuple[int, ...]:
    """First sizes of the tensors of so many dimensions that the pattern fits, by its number."""
    found = {
        int(match[1]): int(value.shape[0])
        for key, value in tensors.items()
        if value.ndim == dimensions and (match := re.fullmatch(pattern, key))
    }
    return tuple(found[number] for number in sorted(found))
