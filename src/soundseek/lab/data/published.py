"""Where the corpora's own files are. Only places that are certain; checksums only where they are.

A file without checksum is measured at its first download, see `soundseek.lab.data.downloads`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from soundseek.errors import DataError
from soundseek.lab.choices import chosen
from soundseek.lab.data.corpora import CORPORA
from soundseek.lab.data.downloads import RemoteFile


@dataclass(frozen=True)
class Published:
    """A corpus' files, and in a sentence what they leave to do by hand."""

    files: tuple[RemoteFile, ...]
    remark: str = ""


def _zenodo(record: str, *names: str) -> tuple[RemoteFile, ...]:
    base = f"https://zenodo.org/records/{record}/files"
    return tuple(RemoteFile(f"{base}/{name}?download=1", name) for name in names)


_AUDIOCAPS = "https://raw.githubusercontent.com/cdjkim/audiocaps/master/dataset"
_WAVCAPS = "https://huggingface.co/datasets/cvssp/WavCaps/resolve/main/json_files"
_CLOTHO_SPLITS = ("development", "validation", "evaluation")

PUBLISHED: Final[Mapping[str, Published]] = MappingProxyType(
    {
        "clotho": Published(
            _zenodo(
                "4783391",
                *(f"clotho_captions_{split}.csv" for split in _CLOTHO_SPLITS),
                *(f"clotho_metadata_{split}.csv" for split in _CLOTHO_SPLITS),
                *(f"clotho_audio_{split}.7z" for split in _CLOTHO_SPLITS),
            )
        ),
        "audiocaps": Published(
            tuple(
                RemoteFile(f"{_AUDIOCAPS}/{split}.csv", f"{split}.csv")
                for split in ("train", "val", "test")
            ),
            "The sounds are on YouTube and not published; put them into train/, val/ and test/.",
        ),
        "wavcaps": Published(
            tuple(
                RemoteFile(f"{_WAVCAPS}/{folder}/{name}", name)
                for folder, name in (
                    ("FreeSound", "fsd_final.json"),
                    ("BBC_Sound_Effects", "bbc_final.json"),
                    ("SoundBible", "sb_final.json"),
                    ("AudioSet_SL", "as_final.json"),
                )
            ),
            "The sounds are zips of several parts on Hugging Face (cvssp/WavCaps, Zip_files).",
        ),
        "fsd50k": Published(
            _zenodo(
                "4060432",
                "FSD50K.ground_truth.zip",
                "FSD50K.metadata.zip",
                "FSD50K.doc.zip",
                *(f"FSD50K.dev_audio.z{number:02}" for number in range(1, 6)),
                "FSD50K.dev_audio.zip",
                "FSD50K.eval_audio.z01",
                "FSD50K.eval_audio.zip",
            ),
            "The audio zips come in parts: join them with zip -s 0, then unpack.",
        ),
        "macs": Published(
            _zenodo("5114771", "MACS.yaml", "LICENSE.txt"),
            "The sounds are those of TAU Urban Acoustic Scenes 2019 development, Zenodo 2589280.",
        ),
        "urbansound8k": Published(
            _zenodo("1203745", "UrbanSound8K.tar.gz"),
            "The archive holds one folder, UrbanSound8K: that is the corpus' root.",
        ),
        "esc50": Published(
            (
                RemoteFile(
                    "https://github.com/karolpiczak/ESC-50/archive/refs/heads/master.zip",
                    "ESC-50-master.zip",
                ),
            ),
            "The archive holds one folder, ESC-50-master: that is the corpus' root.",
        ),
    }
)
"""What can be fetched, by the corpus' name."""


def published(name: str) -> Published:
    """What is published of a corpus.

    Raises `RecipeError` for an unknown corpus, and `DataError` for one whose files cannot be
    fetched, saying where it is explained.
    """
    row = chosen(CORPORA, name, "corpus")
    if name not in PUBLISHED:
        raise DataError(
            f"{name} cannot be fetched from one place",
            remedy=f"see {row.homepage}" if row.homepage else "it is read from your own files",
        )
    return PUBLISHED[name]
