"""The captioners on this machine, by name and by the bundle that they read."""

from __future__ import annotations

from pathlib import Path

from soundseek.bundle import catalogue
from soundseek.bundle.captioning.schema import MANIFEST_FILE, CaptionerManifest
from soundseek.bundle.catalogue import CatalogueEntry
from soundseek.bundle.check import manifest_content
from soundseek.bundle.fingerprint import fingerprint
from soundseek.bundle.places import user_folder
from soundseek.errors import BundleError

DEFAULT_FILE = "DEFAULT_CAPTIONER"


def entries() -> list[CatalogueEntry]:
    """List the embedded captioners, then the user's, each by name. Nothing is opened."""
    return catalogue.listed(is_captioner)


def is_captioner(path: Path) -> bool:
    """Whether `path` is the folder of a captioner, sound or not."""
    return (path / MANIFEST_FILE).is_file()


def find(name: str) -> CatalogueEntry:
    """Return the captioner called `name`; `BundleError` if there is none, or several."""
    return catalogue.picked(name, entries(), "captioner")


def default_name() -> str | None:
    """Return the name of the embedded model's captioner; None if this installation has none."""
    try:
        text = catalogue.embedded_path(DEFAULT_FILE).read_text(encoding="utf-8")
    except OSError:
        return None
    return text.strip()


def read_manifest(folder: Path) -> tuple[CaptionerManifest, str]:
    """Read captioner.json of `folder`; return the manifest and the captioner's fingerprint.

    Raises `BundleError` if there is no readable captioner.json or if it holds problems.
    """
    content = manifest_content(folder, MANIFEST_FILE, "captioner")
    where = str(folder / MANIFEST_FILE)
    return CaptionerManifest.from_json(content, where=where), fingerprint(content)


def default_path() -> Path:
    """Return the folder of the embedded model's captioner; `BundleError` if there is none."""
    name = default_name()
    path = None if name is None else catalogue.embedded_path(name)
    if path is None or not is_captioner(path):
        raise none_fits("the embedded model")
    return path


def path_for(mark: str, name: str) -> Path:
    """Return the folder of the captioner for the bundle `name` with the fingerprint `mark`.

    The embedded default comes first if it fits. Raises `BundleError` if none fits, or if several
    do and none of them is the default.
    """
    fitting, damaged = [], []
    for entry in entries():
        try:
            manifest, _ = read_manifest(entry.path)
        except BundleError as error:  # one damaged captioner must not hide the others
            damaged.append(error.message)
            continue
        if manifest.hears.fingerprint == mark:
            fitting.append(entry)
    default = default_name()
    for entry in fitting:
        if entry.origin == "embedded" and entry.name == default:
            return entry.path
    if len(fitting) > 1:
        names = ", ".join(entry.name for entry in fitting)
        raise BundleError(
            f"{len(fitting)} captioners fit {name!r}: {names}", remedy="name one of them"
        )
    if not fitting:
        raise none_fits(f"the model {name!r}", damaged)
    return fitting[0].path


def none_fits(model: str, damaged: list[str] | None = None) -> BundleError:
    """The error where no captioner reads the vectors of `model`."""
    unusable = "".join(f"; one cannot be used: {problem}" for problem in damaged or [])
    return BundleError(
        f"no captioner for {model} is installed{unusable}",
        remedy=f"put the folder of one that was trained for it into {user_folder()}, or name one; "
        "'soundseek models list' shows all",
    )
