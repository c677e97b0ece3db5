from __future__ import annotations

import getpass
import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch")

from soundseek.errors import DataError
from soundseek.lab import environment
from soundseek.lab.environment import (
    command,
    commit,
    read_sessions,
    shareable,
    versions,
    write_environment,
)

pytestmark = pytest.mark.lab


def test_every_session_is_added(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["/usr/bin/soundseek", "train", "a b", "--out", "r"])
    assert read_sessions(tmp_path) == []
    file = write_environment(tmp_path)
    monkeypatch.setattr(sys, "argv", ["soundseek", "train"])
    write_environment(tmp_path)
    one, two = read_sessions(tmp_path)
    assert one["command"] == "soundseek train 'a b' --out r"
    assert two["command"] == "soundseek train"
    assert one["packages"]["torch"]
    assert one["threads"]["torch"] >= 1
    assert one["started"].endswith("+00:00")
    assert [path.name for path in tmp_path.iterdir()] == [file.name]


def test_nobody_is_told_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = Path("/home/ann lee")
    monkeypatch.setattr(Path, "home", lambda: home)
    monkeypatch.setattr(getpass, "getuser", lambda: "annlee")
    monkeypatch.setattr(socket, "gethostname", lambda: "studio-7")
    words = [
        f"{home}/venv/bin/soundseek",
        "train",
        f"{home}/r.yaml",
        "data.folder=/scratch/annlee/clotho",
        "storage=postgresql://annlee:secret@studio-7:5432/db",
        "x=/nfs/studio-7",
        "--out=/home/ann leeds",
    ]
    monkeypatch.setattr(sys, "argv", words)
    text = write_environment(tmp_path).read_text(encoding="utf-8")
    for secret in ("/home/ann lee/", "annlee", "secret", "studio-7"):
        assert secret not in text
    said = read_sessions(tmp_path)[0]["command"]
    assert said.startswith("soundseek train '~/r.yaml' data.folder=/scratch/…/clotho")
    assert "/home/ann leeds" in said


def test_names_within_other_words_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(getpass, "getuser", lambda: "train")
    monkeypatch.setattr(socket, "gethostname", lambda: "")
    assert shareable("soundseek train /x/training a=train") == "soundseek train /x/training a=train"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["/x/soundseek/__main__.py", "train"], "python -m soundseek train"),
        (["/x/bench/real_audio.py", "--rows", "a"], "python real_audio.py --rows a"),
        ([""], ""),
        ([], ""),
        (["-c"], "-c"),
    ],
)
def test_commands(arguments: list[str], said: str) -> None:
    assert command(arguments) == said


def test_the_commit_is_that_of_the_packages_own_checkout(tmp_path: Path) -> None:
    def git(*words: str) -> str:
        who = ["-c", "user.name=n", "-c", "user.email=n@example.org"]
        done = subprocess.run(
            ["git", "-C", str(tmp_path), *who, *words], capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    module = tmp_path / "src" / "package" / "__init__.py"
    module.parent.mkdir(parents=True)
    module.write_text("a = 1\n", encoding="utf-8")
    git("init", "-q")
    # In somebody's checkout, but no part of it, as in a virtual environment.
    assert commit(module) is None
    git("add", ".")
    git("commit", "-q", "-m", "one")
    assert commit(module) == git("rev-parse", "HEAD")
    module.write_text("a = 2\n", encoding="utf-8")
    assert commit(module) == git("rev-parse", "HEAD") + "+"


def test_without_git_there_is_no_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert commit(Path(environment.__file__)) is None


def test_packages_that_are_not_there_are_left_out() -> None:
    assert list(versions(["numpy", "no-such-package"])) == ["numpy"]


@pytest.mark.parametrize("text", ["{", "[]", '{"schema_version": 1, "sessions": [1]}', "{}"])
def test_a_damaged_file_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "environment.json").write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=r"environment\.json is damaged"):
        write_environment(tmp_path)


def test_a_later_version_is_refused(tmp_path: Path) -> None:
    document = {"schema_version": 99, "sessions": []}
    (tmp_path / "environment.json").write_text(json.dumps(document), encoding="utf-8")
    with pytest.raises(DataError, match="schema version 99"):
        read_sessions(tmp_path)
