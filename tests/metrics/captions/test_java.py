from __future__ import annotations

import sys
from pathlib import Path

import pytest

from soundseek.errors import SoundseekError
from soundseek.metrics.captions import java as module
from soundseek.metrics.captions.java import JavaError, find_java, jar, java_version, run
from support.captions import program


def test_java_home_comes_before_the_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    on_path = program(tmp_path / "path" / "java", "")
    at_home = program(tmp_path / "home" / "bin" / "java", "")
    monkeypatch.setenv("PATH", str(on_path.parent))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    assert find_java() == str(on_path)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "home"))
    assert find_java() == str(at_home)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "elsewhere"))
    assert find_java() == str(on_path)


@pytest.mark.usefixtures("no_java")
def test_there_may_be_none() -> None:
    assert find_java() is None


@pytest.mark.parametrize(
    ("told", "version"),
    [
        ('openjdk version "17.0.15" 2025-04-15', 17),
        ('java version "1.8.0_312"', 8),
        ('openjdk version "11" 2018-09-25', 11),
        ("something else", None),
    ],
)
def test_versions(tmp_path: Path, told: str, version: int | None) -> None:
    fake = program(tmp_path / "java", f"sys.stderr.write({told!r})")
    assert java_version(str(fake)) == version


def test_of_the_real_one(java: str) -> None:
    version = java_version(java)
    assert version is not None
    assert version >= 8


def test_what_a_failing_program_said_is_told(tmp_path: Path) -> None:
    fake = program(tmp_path / "java", "sys.stderr.write('no memory\\n\\nat x'); sys.exit(3)")
    with pytest.raises(JavaError, match=r"Java ended with 3: no memory \| at x"):
        run([fake])
    killed = program(tmp_path / "killed", "os.kill(os.getpid(), signal.SIGKILL)")
    with pytest.raises(JavaError, match="killed by signal 9"):
        run([killed])
    with pytest.raises(JavaError, match="cannot be started"):
        run([tmp_path / "nothing"])


def test_a_program_that_hangs_is_ended(tmp_path: Path) -> None:
    slow = program(tmp_path / "java", "import time; time.sleep(60)")
    with pytest.raises(JavaError, match="gave no answer"):
        run([slow], timeout_s=0.2)


def test_texts_go_through_in_utf_8() -> None:
    echo = "import sys; sys.stdout.buffer.write(sys.stdin.buffer.read())"
    assert run([sys.executable, "-c", echo], text="Vögel 鳥 \ud800")[0] == "Vögel 鳥 ?"


def test_tools_that_are_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(SoundseekError, match=r"pip install 'soundseek\[captions\]'"):
        module.tools_folder()


def test_a_damaged_installation() -> None:
    with pytest.raises(JavaError, match=r"nothing\.jar is not there"):
        jar("meteor", "nothing.jar")
