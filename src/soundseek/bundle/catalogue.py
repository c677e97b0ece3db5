"""The bundles on this machine, by name: the embedded ones and the user's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from soundseek.bundle.places import embedded_folder, user_folder
from soundseek.bundle.schema import MANIFEST_FILE, SUFFIX
from soundseek.errors import BundleError, SoundseekError

DEFAULT_FILE = "DEFAULT"


@dataclass(frozen=True)
class CatalogueEntry:
    """A model that can be asked for by `name`: its folder's name or its file's without suffix."""

    name: str
    path: Path
    origin: Literal["embedded", "user"]


def entries() -> list[CatalogueEntry]:
    """List the embedded bundles, then the user's, each by name. Nothing is opened or checked."""
    return listed(_is_bundle)


def listed(is_one: Callable[[Path], bool]) -> list[CatalogueEntry]:
    """List what `is_one` says yes to in the folders of models, the embedded ones first."""
    return [
        *(CatalogueEntry(_name_of(path), path, "embedded") for path in _embedded(is_one)),
        *(CatalogueEntry(_name_of(path), path, "user") for path in _users(is_one)),
    ]


def embedded_path(name: str) -> Path:
    """Return where the embedded file or model `name` is, if there is one."""
    return embedded_folder() / name


def default_name() -> str:
    """Return the name of the embedded default; `BundleError` if this installation has none."""
    path = embedded_folder() / DEFAULT_FILE
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise BundleError(
            f"this installation of soundseek has no embedded model: {path} is missing",
            remedy="install soundseek again, or name a bundle",
        ) from error


def default_path() -> Path:
    """Return the folder of the embedded default; `BundleError` if it is missing."""
    name = default_name()
    path = embedded_folder() / name
    if not (path / MANIFEST_FILE).is_file():
        raise BundleError(
            f"the embedded model {name!r} is missing: there is no {path / MANIFEST_FILE}",
            remedy="install soundseek again",
        )
    return path


def find(name: str) -> CatalogueEntry:
    """Return the bundle called `name`.

    Raises `BundleError` if none has that name, listing the choices and the nearest one, or if
    several have it, listing their paths.
    """
    return picked(name, entries(), "bundle")


def picked(name: str, known: Sequence[CatalogueEntry], what: str) -> CatalogueEntry:
    """Return the one of `known` that is called `name`; `BundleError` as `find`, about a `what`."""
    found = [entry for entry in known if entry.name == name]
    if len(found) == 1:
        return found[0]
    if found:
        paths = ", ".join(str(entry.path) for entry in found)
        raise BundleError(
            f"{len(found)} {what}s are called {name!r}: {paths}", remedy="give the path instead"
        )
    raise _unknown(name, sorted({entry.name for entry in known}), what)


def _unknown(name: str, names: list[str], what: str) -> BundleError:
    from difflib import get_close_matches

    nearest = get_close_matches(name, names, n=1, cutoff=0.5)
    known = f"known: {', '.join(names)}" if names else "none is installed"
    guess = f"did you mean {nearest[0]!r}? " if nearest else ""
    kind = f"model {what}" if what == "bundle" else what
    return BundleError(
        f"there is no {kind} called {name!r} ({known})",
        remedy=f"{guess}A {what} can also be given as a path; yours go into {user_folder()}",
    )


def _embedded(is_one: Callable[[Path], bool]) -> list[Path]:
    return _among(embedded_folder(), is_one)


def _users(is_one: Callable[[Path], bool]) -> list[Path]:
    try:
        return _among(user_folder(), is_one)
    except SoundseekError:  # a user without a home folder has none
        return []


def _among(folder: Path, is_one: Callable[[Path], bool]) -> list[Path]:
    try:
        paths = sorted(folder.iterdir())
    except OSError:
        return []
    return [path for path in paths if not path.name.startswith(".") and is_one(path)]


def _is_bundle(path: Path) -> bool:
    return (path / MANIFEST_FILE).is_file() or (path.suffix == SUFFIX and path.is_file())


def _name_of(path: Path) -> str:
    return path.name.removesuffix(SUFFIX)
