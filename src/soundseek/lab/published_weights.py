"""Where the public checkpoints are published, and where they lie on this machine."""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final, NamedTuple

from soundseek.errors import DataError
from soundseek.lab.data.downloads import RemoteFile, fetch

FOLDER_VARIABLE = "SOUNDSEEK_WEIGHTS"
OFFLINE_VARIABLE = "SOUNDSEEK_OFFLINE"
_DEFAULT_FOLDER = Path("~/.cache/soundseek/weights")
_ZENODO = "https://zenodo.org/records/3987831/files"
_PASST = "https://github.com/kkoutini/PaSST/releases/download"
_VGGISH = "https://github.com/harritaylor/torchvggish/releases/download/v0.1"


class PublishedWeights(NamedTuple):
    """The encoder that a file is for, where it is published, and its terms as stated there."""

    encoder: str
    page: str
    url: str | None
    licence: str


WEIGHTS: Final[Mapping[str, PublishedWeights]] = MappingProxyType(
    {
        **{
            file: PublishedWeights(
                encoder,
                "https://zenodo.org/records/3987831",
                f"{_ZENODO}/{file.replace('=', '%3D')}",
                "CC BY 4.0",
            )
            for file, encoder in (
                ("Cnn10_mAP=0.380.pth", "panns_cnn10"),
                ("Cnn14_mAP=0.431.pth", "panns_cnn14"),
                ("Cnn14_16k_mAP=0.438.pth", "panns_cnn14_16k"),
                ("Cnn14_DecisionLevelMax_mAP=0.385.pth", "panns_cnn14_decision_level_max"),
                ("ResNet38_mAP=0.434.pth", "panns_resnet38"),
            )
        },
        "passt-s-f128-p16-s10-ap.476-swa.pt": PublishedWeights(
            "passt_s",
            "https://github.com/kkoutini/PaSST/releases",
            f"{_PASST}/v0.0.1-audioset/passt-s-f128-p16-s10-ap.476-swa.pt",
            "Apache-2.0",
        ),
        "passt-s-f128-p16-s16-ap.468.pt": PublishedWeights(
            "passt_s",
            "https://github.com/kkoutini/PaSST/releases",
            f"{_PASST}/v0.0.2-audioset/passt-s-f128-p16-s16-ap.468.pt",
            "Apache-2.0",
        ),
        # The page lists the large variant; its address inside the page is not known here.
        "passt-l-kd-ap.47.pt": PublishedWeights(
            "passt_l", "https://github.com/kkoutini/PaSST/releases", None, "Apache-2.0"
        ),
        # Published behind links that expire: to be fetched by hand from the page.
        "BEATs_iter3_plus_AS2M.pt": PublishedWeights(
            "beats", "https://github.com/microsoft/unilm/tree/master/beats", None, "MIT"
        ),
        "BEATs_iter3_plus_AS2M_finetuned_on_AS2M_cpt2.pt": PublishedWeights(
            "beats", "https://github.com/microsoft/unilm/tree/master/beats", None, "MIT"
        ),
        "vggish-10086976.pth": PublishedWeights(
            "vggish",
            "https://github.com/harritaylor/torchvggish",
            f"{_VGGISH}/vggish-10086976.pth",
            "Apache-2.0",
        ),
        "vggish_pca_params-970ea276.pth": PublishedWeights(
            "vggish",
            "https://github.com/harritaylor/torchvggish",
            f"{_VGGISH}/vggish_pca_params-970ea276.pth",
            "Apache-2.0",
        ),
    }
)
"""Published file names, as recipes name them."""


def weights_folder() -> Path:
    """Where published files are looked for: $SOUNDSEEK_WEIGHTS, or the user's cache."""
    return Path(os.environ.get(FOLDER_VARIABLE) or _DEFAULT_FOLDER).expanduser()


def find_weights(name_or_path: str, *, offline: bool | None = None) -> Path:
    """The file of a path, or of a published name: in `weights_folder()`, else fetched into it.

    `offline` (default: whether $SOUNDSEEK_OFFLINE is set): nothing is fetched. Raises `DataError`
    saying where the file is published and where to put it.
    """
    path = Path(name_or_path).expanduser()
    if path.exists():
        return path
    there = weights_folder() / path.name
    if there.is_file():
        return there
    published = WEIGHTS.get(path.name)
    if offline is None:
        offline = bool(os.environ.get(OFFLINE_VARIABLE))
    if published is not None and published.url is not None and not offline:
        return fetch(RemoteFile(published.url, path.name), weights_folder())
    if published is None:
        near = difflib.get_close_matches(path.name, WEIGHTS, n=1)
        raise DataError(
            f"no checkpoint at {path}",
            remedy=(f"did you mean the published {near[0]}? " if near else "")
            + "give a path, or the name of a published file",
        )
    raise DataError(
        f"{path.name} is not on this machine",
        remedy=f"get it from {published.url or published.page} ({published.licence}) and put it "
        f"into {weights_folder()}, or set {FOLDER_VARIABLE}",
    )
