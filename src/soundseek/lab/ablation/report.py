"""What an ablation leaves: ablation.md for people, ablation.csv and ablation.json for programs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from soundseek.lab.ablation.ablate import Outcome, Plan
from soundseek.lab.ablation.comparison import FIGURES, TESTED, Compared, Figure
from soundseek.lab.ablation.plot import write_forest
from soundseek.lab.ablation.rows import System
from soundseek.lab.runs.tables import markdown_table, write_csv, write_json, write_text

SCHEMA_VERSION: Final = 1
REPORT: Final = "ablation.md"
_DIGITS: Final = 6


def write_report(plan: Plan, outcome: Outcome) -> dict[str, Any]:
    """Write everything into the ablation's folder; returns what ablation.json holds."""
    document = _document(plan, outcome)
    write_json(plan.folder / "ablation.json", document)
    rows = [_flat(row) for row in document["rows"]]
    write_csv(plan.folder / "ablation.csv", rows, list(rows[0]))
    plot = write_forest(plan, outcome.compared, plan.folder)
    write_text(plan.folder / REPORT, _report(plan, outcome, plot))
    return document


def _document(plan: Plan, outcome: Outcome) -> dict[str, Any]:
    return {
        "schema_version": SCHEMA_VERSION,
        "ablation": plan.rows.name,
        "source": plan.rows.source,
        "recipe": plan.systems[0].document["name"],
        "reference": plan.systems[0].name,
        "seeds": list(plan.seeds),
        "smoke": plan.smoke,
        "rows": [_row(system, outcome.compared.get(system.name)) for system in plan.systems],
        "failures": dict(outcome.failures),
    }


def _row(system: System, row: Compared | None) -> dict[str, Any]:
    test = None if row is None else row.test
    return {
        "row": system.name,
        "title": system.title,
        "same_as": system.same_as,
        "seeds": 0 if row is None else row.seeds,
        "n": None if row is None else row.queries,
        "metrics": {}
        if row is None
        else {
            name: {"value": _round(figure.mean), "deviation": _round(figure.deviation)}
            for name, figure in row.figures.items()
        },
        "difference": None
        if test is None or row is None
        else {
            "metric": TESTED,
            "value": _round(test.difference),
            "ci95": None if test.ci95 is None else [_round(bound) for bound in test.ci95],
            "p": float(f"{test.p:.4g}"),
            "p_holm": None if row.p_corrected is None else float(f"{row.p_corrected:.4g}"),
        },
        "note": None if row is None else row.note,
        "published": dict(system.published),
        "published_deviation": system.published_deviation,
    }


def _flat(row: Mapping[str, Any]) -> dict[str, Any]:
    difference = row["difference"] or {}
    low, high = difference.get("ci95") or (None, None)
    flat = {key: row[key] for key in ("row", "title", "same_as", "seeds", "n")}
    for name in FIGURES:
        figure = row["metrics"].get(name, {})
        flat[name] = figure.get("value")
        flat[f"{name}_deviation"] = figure.get("deviation")
        flat[f"{name}_published"] = row["published"].get(name)
    return flat | {
        "difference": difference.get("value"),
        "difference_low": low,
        "difference_high": high,
        "p": difference.get("p"),
        "p_holm": difference.get("p_holm"),
        "note": row["note"],
    }


def _report(plan: Plan, outcome: Outcome, plot: str | None) -> str:
    seeds = len(plan.seeds)
    first = next(iter(outcome.compared.values()), None)
    asked = "" if first is None else f" on {first.queries:,} queries of the test set"
    spread = (
        "Figures are means over the seeds ± their standard deviation."
        if seeds > 1
        else "With one seed it is not known how much chance moves these figures."
    )
    published = f" Published figures: {plan.rows.source}." if plan.rows.source else ""
    parts = [
        f"# Ablation {plan.rows.name} of {plan.systems[0].document['name']}",
        f"{len(plan.systems)} systems, seeds {', '.join(map(str, plan.seeds))}{asked}. {spread}"
        f"{published}"
        + (" **Tiny networks on synthetic sounds: figures say nothing.**" * plan.smoke),
        markdown_table(_head(), [_cells(s, outcome.compared.get(s.name)) for s in plan.systems]),
        f"The difference is that of {TESTED} from {plan.systems[0].title}, with its paired 95 % "
        "interval over queries; p by a two-sided randomisation test over queries, each query's "
        "value being averaged over the seeds, corrected by Holm for the number of rows. Interval "
        "and p tell of other queries, not of other seeds: those are what ± tells of.",
    ]
    if plot is not None:
        parts += [
            f"![differences]({plot})",
            "Filled: p below 0.05. Diamonds: what the report published.",
        ]
    same = [one for one in plan.systems if one.same_as is not None]
    if same:
        parts += [
            "\n".join(f"- {one.title} is {one.same_as} here, and was not run." for one in same)
        ]
    if outcome.failures:
        parts += ["## Failed runs"]
        parts += [
            "\n".join(f"- {key}: {' '.join(why.split())}" for key, why in outcome.failures.items())
        ]
    return "\n\n".join(parts) + "\n"


def _head() -> list[str]:
    return ["system", "seeds", *FIGURES, "difference", "95 % interval", "p", f"published {TESTED}"]


def _cells(system: System, row: Compared | None) -> list[str]:
    published = system.published.get(TESTED)
    said = "" if published is None else f"{published:.4f}"
    if said and system.published_deviation is not None:
        said += f" ± {system.published_deviation:.4f}"
    if row is None:
        why = f"as {system.same_as}" if system.same_as else "no run"
        return [system.title, why, *[""] * (len(FIGURES) + 3), said]
    test = row.test
    interval = test.ci95 if test is not None else None
    return [
        system.title,
        str(row.seeds),
        *(_figure(row.figures[name]) for name in FIGURES),
        (row.note or "") if test is None else f"{test.difference:+.4f}",
        "" if interval is None else f"[{interval[0]:+.4f}, {interval[1]:+.4f}]",
        "" if row.p_corrected is None else f"{row.p_corrected:.4f}",
        said,
    ]


def _figure(figure: Figure) -> str:
    deviation = "" if figure.deviation is None else f" ± {figure.deviation:.4f}"
    return f"{figure.mean:.4f}{deviation}"


def _round(value: float | None) -> float | None:
    return None if value is None else round(value, _DIGITS)
