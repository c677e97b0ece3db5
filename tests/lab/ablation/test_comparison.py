from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")

from soundseek.lab.ablation.comparison import FIGURES, Heard, compare, heard
from soundseek.lab.similarities import ListedSound, Similarities
from soundseek.metrics.corrections import holm
from soundseek.metrics.significance import paired_test

pytestmark = pytest.mark.lab

QUERIES = tuple((f"q{i}", (f"c{i}",)) for i in range(40))


def run(values: np.ndarray, queries: tuple[tuple[str, tuple[str, ...]], ...] = QUERIES) -> Heard:
    return Heard(queries, 40, dict.fromkeys(FIGURES, values))


def similarities(seed: int) -> Similarities:
    rng = np.random.default_rng(seed)
    clips = [ListedSound(f"c{i}", f"{i}.wav", 0.0, 1.0) for i in range(30)]
    relevant = np.zeros((40, 30), np.bool_)
    relevant[np.arange(40), rng.permutation(40) % 30] = True
    relevant[3, :2] = True
    scores = rng.random((40, 30), np.float32)
    return Similarities([f"q{i}" for i in range(40)], clips, scores, relevant)


def test_a_run_is_worth_what_its_metrics_say() -> None:
    found = similarities(0)
    run_heard = heard(found)
    metrics = found.metrics()
    for name in FIGURES:
        assert run_heard.values[name].mean() == pytest.approx(metrics[name].value)
    assert set(run_heard.queries[3][1]) >= {"c0", "c1"}
    assert run_heard.clips == 30


def test_means_deviations_and_tests_over_seeds() -> None:
    rng = np.random.default_rng(0)
    whole = [rng.random(40) for _ in range(3)]
    rows = {
        "whole": [run(values) for values in whole],
        "worse": [run(values * 0.5) for values in whole],
        "alike": [run(values + rng.normal(0, 0.01, 40)) for values in whole],
    }
    found = compare(rows, "whole")
    means = [values.mean() for values in whole]
    assert found["whole"].figures["mAP@10"].mean == pytest.approx(np.mean(means))
    assert found["whole"].figures["mAP@10"].deviation == pytest.approx(np.std(means, ddof=1))
    assert found["whole"].test is None
    test = found["worse"].test
    assert test is not None
    average = np.mean(whole, axis=0)
    assert test.difference == pytest.approx(-average.mean() / 2)
    assert test == paired_test(average * 0.5, average, np.random.default_rng(0))
    ps = [found[name].test.p for name in ("worse", "alike")]  # type: ignore[union-attr]
    assert [found[name].p_corrected for name in ("worse", "alike")] == holm(ps)
    assert found["worse"].p_corrected == pytest.approx(2 * test.p)
    alike = found["alike"].p_corrected
    assert alike is not None
    assert alike > 0.01


def test_one_seed_has_no_deviation() -> None:
    found = compare({"whole": [run(np.ones(40))], "row": [run(np.zeros(40))]}, "whole")
    assert found["row"].figures["R@1"] == (0.0, None)
    assert found["row"].seeds == 1


def test_rows_need_not_have_all_their_seeds() -> None:
    values = np.linspace(0, 1, 40)
    found = compare(
        {"whole": [run(values), run(values)], "row": [run(values / 2)], "none": []}, "whole"
    )
    assert set(found) == {"whole", "row"}
    assert (found["whole"].seeds, found["row"].seeds) == (2, 1)
    assert found["row"].test is not None


def test_other_queries_are_not_compared() -> None:
    values = np.linspace(0, 1, 40)
    others = tuple((f"other {i}", (f"c{i}",)) for i in range(40))
    other_clips = tuple((f"q{i}", (f"x{i}",)) for i in range(40))
    found = compare(
        {
            "whole": [run(values)],
            "texts": [run(values, others)],
            "clips": [run(values, other_clips)],
            "seeds": [run(values), run(values, others)],
        },
        "whole",
    )
    assert found["texts"].note == found["clips"].note
    assert found["texts"].note == "its test set is not that of the whole system"
    assert found["seeds"].note == "its seeds have different test sets"
    assert all(row.test is None and row.p_corrected is None for row in found.values())


def test_a_reference_without_runs() -> None:
    found = compare({"whole": [], "row": [run(np.ones(40))]}, "whole")
    assert found["row"].note == "the whole system has no run to compare with"
