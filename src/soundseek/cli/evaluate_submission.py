"""`soundseek evaluate submission`: what a DCASE challenge asks for, of one's own systems."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

import click

from soundseek.cli.extras import needing_lab
from soundseek.cli.options import example, json_option
from soundseek.cli.terminal import count, say, say_json, shown_path
from soundseek.errors import DataError

if TYPE_CHECKING:
    from soundseek.lab.ensembling.scales import Scale

_COLUMNS: Final = ("caption", "query", "index")


@click.command(
    epilog=example(
        "soundseek evaluate submission runs/mine --year 2024 --sounds evaluation/ "
        "--queries captions.csv --author 'Ada Lovelace' --institute 'Analytical Engines' "
        "--abbreviation AE --out submission",
    )
)
@click.argument(
    "systems", nargs=-1, required=True, metavar="SYSTEM…", type=click.Path(path_type=Path)
)
@click.option(
    "--year", type=click.IntRange(2022, 2025), required=True, help="Of the challenge: its layout."
)
@click.option(
    "--sounds",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    required=True,
    help="The folder of the challenge's files.",
)
@click.option(
    "--queries",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    required=True,
    help="A text file of one query a line, or a CSV with a column caption or query, or "
    "caption_1, caption_2, …",
)
@click.option("--author", required=True, help="First and last name of the corresponding author.")
@click.option("--email", help="Of that author.")
@click.option("--institute", required=True, help="Where that author works.")
@click.option("--abbreviation", required=True, help="Of the institute, as in the file's name.")
@click.option(
    "--number", type=click.IntRange(1, 4), default=1, show_default=True, help="Of the submission."
)
@click.option("--name", help="The system's name (default: that of the first SYSTEM).")
@click.option(
    "--scale",
    type=click.Choice(["raw", "zscore", "query-zscore", "rank"]),
    default="raw",
    show_default=True,
    help="What scores of several systems are brought to before they are averaged.",
)
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), required=True, help="A folder."
)
@json_option
def submission(
    systems: tuple[Path, ...],
    year: int,
    sounds: Path,
    queries: Path,
    author: str,
    email: str | None,
    institute: str,
    abbreviation: str,
    number: int,
    name: str | None,
    scale: str,
    out: Path,
    as_json: bool,
) -> None:
    """Let SYSTEMs (runs or models) answer the challenge's queries, and write its two files.

    2022 to 2024: the first ten files of each query; 2025: the similarity of every query and file.
    Beside it the description in YAML: compare its fields with the year's template, and fill in what
    stands there as null.
    """
    with needing_lab():
        from soundseek.lab.answering import answers
        from soundseek.lab.data.ids import SOUND_SUFFIXES
        from soundseek.metrics.dcase import (
            Affiliation,
            Author,
            SubmissionMeta,
            submission_names,
            write_meta,
            write_ranked,
            write_scores,
        )

        first, _, last = author.strip().rpartition(" ")
        meta = SubmissionMeta(
            year,
            number,
            name or systems[0].name,
            (name or systems[0].name)[:10],
            [Author(last, first, Affiliation(abbreviation, institute), email, corresponding=True)],
            {"ensemble_method_subsystem_count": len(systems) if len(systems) > 1 else None},
        )
        table, description = (out / file for file in submission_names(meta.label))
        texts = read_queries(queries)
        files = sorted(p for p in sounds.iterdir() if p.suffix.lower() in SOUND_SUFFIXES)
        if not files:
            raise DataError(f"no sounds in {sounds}", remedy="name the folder that holds them")
        scores = answers(
            systems,
            files,
            texts,
            scale=cast("Scale", {"raw": "none"}.get(scale, scale).replace("-", "_")),
            say=lambda line: say(line, err=True),
        )
    out.mkdir(parents=True, exist_ok=True)
    write = write_scores if year == 2025 else write_ranked
    write(table, texts, [path.name for path in files], scores)
    write_meta(description, meta)
    if as_json:
        written = {"output": str(table), "meta": str(description)}
        say_json(written | {"queries": len(texts), "files": len(files)})
        return
    say(f"{count(len(texts), 'query', 'queries')}, {count(len(files), 'file')}")
    say(shown_path(table))
    say(shown_path(description))


def read_queries(path: Path) -> list[str]:
    """The queries of a text file (one a line) or of a CSV. Raises `DataError` where there is none,
    and for a CSV without a column of texts."""
    with path.open(newline="", encoding="utf-8-sig") as file:
        if path.suffix.lower() != ".csv":
            texts = [line.strip() for line in file]
        else:
            rows = csv.DictReader(file)
            columns = [name for name in rows.fieldnames or () if name in _COLUMNS][:1] or [
                name for name in rows.fieldnames or () if name.startswith("caption_")
            ]
            if not columns:
                raise DataError(
                    f"{path} has the columns {', '.join(rows.fieldnames or ())}",
                    remedy="name that of the texts caption or query, or caption_1, caption_2, …",
                )
            texts = [(row[column] or "").strip() for row in rows for column in columns]
    found = [text for text in texts if text]
    if not found:
        raise DataError(f"{path} holds no query", remedy="write one a line")
    return found
