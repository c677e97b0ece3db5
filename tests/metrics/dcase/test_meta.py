from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soundseek.errors import DataError
from soundseek.metrics.dcase import Affiliation, Author, SubmissionMeta, write_meta
from soundseek.metrics.dcase.meta import yaml_lines

AUTHORS = (
    Author("Roe", "Ann", Affiliation("ABC", "A: B & C"), email="ann@example.org"),
    Author("Doe", "Zoë", Affiliation("XYZ", 'The "XYZ"', location="Oz"), corresponding=True),
)
META = SubmissionMeta(
    year=2022,
    number=2,
    name="yes",
    abbreviation="base",
    authors=AUTHORS,
    description={"acoustic_features": "log-mel energies", "learning_rate": 1e-05},
    total_parameters=1_234_567,
    external_resources=[("AudioCaps", "dataset", "https://audiocaps.github.io")],
    results={"R@1": 0.0316, "mAP@10": 0.0679},
)


def read(path: Path) -> dict:
    yaml = pytest.importorskip("yaml")
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def test_what_is_written(tmp_path: Path) -> None:
    write_meta(tmp_path / "m.yaml", META)
    found = read(tmp_path / "m.yaml")
    assert list(found) == ["submission", "system", "results"]
    submission = found["submission"]
    assert submission["label"] == "Doe_XYZ_task6b_2"
    assert submission["name"] == "yes"
    assert [author["lastname"] for author in submission["authors"]] == ["Roe", "Doe"]
    assert submission["authors"][0]["affiliation"]["institute"] == "A: B & C"
    assert "corresponding" not in submission["authors"][0]
    assert submission["authors"][1]["corresponding"] is True
    assert submission["authors"][1]["affiliation"] == {
        "abbreviation": "XYZ",
        "institute": 'The "XYZ"',
        "department": None,
        "location": "Oz",
    }
    system = found["system"]
    assert list(system["description"]) == list(SubmissionMeta.FIELDS)
    assert system["description"]["learning_rate"] == 1e-05
    assert system["description"]["loss_function"] is None
    assert system["complexity"] == {"total_parameters": 1_234_567}
    assert system["external_resources"] == [
        {"name": "AudioCaps", "type": "dataset", "url": "https://audiocaps.github.io"}
    ]
    assert found["results"]["development_testing"] == {
        "R@1": 0.0316,
        "R@5": None,
        "R@10": None,
        "mAP@10": 0.0679,
    }


def test_2025_has_its_own_metric_and_task(tmp_path: Path) -> None:
    meta = dataclasses.replace(META, year=2025, results={"mAP@16": 0.4}, external_resources=())
    write_meta(tmp_path / "m.yaml", meta)
    found = read(tmp_path / "m.yaml")
    assert found["submission"]["label"] == "Doe_XYZ_task6_2"
    assert found["results"]["development_testing"]["mAP@16"] == 0.4
    assert found["system"]["external_resources"] == []


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"authors": AUTHORS[:1]}, "0 of 1 authors are marked"),
        ({"authors": AUTHORS[1:] * 2}, "2 of 2 authors are marked"),
        ({"abbreviation": "x" * 11}, "has 11 characters"),
        ({"abbreviation": ""}, "has 0 characters"),
        ({"description": {"optimiser": "Adam"}}, "no field of the description called 'optimiser'"),
        ({"results": {"mAP@16": 0.1}}, "no result called 'mAP@16'"),
        ({"results": {"R@1": 3.16}}, "R@1 is 3.16"),
        ({"results": {"R@1": math.nan}}, "R@1 is nan"),
        ({"description": {"learning_rate": math.inf}}, "inf cannot be written"),
        ({"year": 2021}, "DCASE 2021"),
        ({"number": 9}, "submission 9"),
    ],
)
def test_what_is_not_written(tmp_path: Path, changes: dict, words: str) -> None:
    with pytest.raises(DataError, match=words):
        write_meta(tmp_path / "m.yaml", dataclasses.replace(META, **changes))
    assert not list(tmp_path.iterdir())


key = st.sampled_from(["a", "b_c", "R@1", "mAP@10"])
plain = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(),
    st.sampled_from(["null", "yes", "1", "2022-01-01", "- x", "a: b", "#", "\x85\u2028\ufeff\t"]),
)
tree = st.recursive(
    plain,
    lambda child: (
        st.dictionaries(key, child, max_size=3)
        | st.lists(st.dictionaries(key, child, min_size=1, max_size=3), max_size=3)
    ),
)


@given(st.dictionaries(key, tree, min_size=1))
def test_what_is_written_is_read_back(document: dict) -> None:
    yaml = pytest.importorskip("yaml")
    assert yaml.safe_load("\n".join(yaml_lines(document))) == document
