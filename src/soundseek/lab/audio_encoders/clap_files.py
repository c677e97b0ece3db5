"""What the files of a Hugging Face CLAP say of its audio tower: sizes and front-end."""

from __future__ import annotations

from typing import Any, Final

from soundseek.audio.spec import FrontEndSpec
from soundseek.errors import DataError
from soundseek.lab.text_encoders import hub

WEIGHTS: Final = ("model.safetensors", "pytorch_model.bin")

# laion/clap-htsat-unfused and the larger_clap models: transformers' ClapFeatureExtractor with
# truncation "rand_trunc".
CLAP_48K: Final = FrontEndSpec(
    sample_rate=48_000,
    padding="reflect",
    window_samples=1024,
    hop_samples=480,
    fft_size=1024,
    mel_scale="slaney",
    bands=64,
    f_min=50.0,
    f_max=14_000.0,
    compression="db",
    floor=1e-10,
)
# Fields of transformers' ClapAudioConfig that the encoder's options name otherwise.
_NAMED: Final = {
    "patch_embeds_hidden_size": "patch_width",
    "depths": "depths",
    "num_attention_heads": "heads",
    "projection_dim": "projection",
}
# Fields that follow from others, or describe the file.
_DERIVED: Final = (
    "hidden_size",
    "num_hidden_layers",
    "model_type",
    "transformers_version",
    "dtype",
)


def sizes_of(model: str) -> dict[str, Any]:
    """Options of `ClapAudio` from a model's config.json."""
    config = hub.read_config(model)
    if config.model_type == "clap":
        config = config.audio_config
    if config.model_type != "clap_audio_model":
        raise DataError(f"{model} holds a {config.model_type}, not a clap")
    if config.enable_fusion:
        raise DataError(
            f"{model} is a CLAP with feature fusion, which mixes random crops of long clips",
            remedy="use one without, laion/clap-htsat-unfused for one",
        )
    usual = type(config)().to_dict()
    document = config.to_dict()
    settings = {
        name: value
        for name, value in document.items()
        if name in usual
        and value != usual[name]
        and name not in _NAMED
        and name not in _DERIVED
        and not name.startswith("_")
    }
    return {ours: document[theirs] for theirs, ours in _NAMED.items()} | {"settings": settings}


def frontend_of(model: str) -> dict[str, Any]:
    """What differs from `CLAP_48K` in a model's preprocessor_config.json, or processor_config.json
    as transformers 5 writes it."""
    path = hub.find(model, "preprocessor_config.json", "processor_config.json")
    if path is None:
        return {}
    given = hub.read_json(path)
    given = given.get("feature_extractor", given)
    if given.get("truncation", "rand_trunc") != "rand_trunc":
        raise DataError(
            f"{path} truncates by {given['truncation']!r}; only 'rand_trunc' is known here",
            remedy="use a CLAP without feature fusion, laion/clap-htsat-unfused for one",
        )
    names = {
        "sample_rate": "sampling_rate",
        "window_samples": "fft_window_size",
        "fft_size": "fft_window_size",
        "hop_samples": "hop_length",
        "bands": "feature_size",
        "f_min": "frequency_min",
        "f_max": "frequency_max",
    }
    usual = CLAP_48K.to_dict()
    found = {ours: given[theirs] for ours, theirs in names.items() if theirs in given}
    return {name: value for name, value in found.items() if value != usual[name]}
