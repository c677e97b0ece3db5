"""Outcomes into the database: a clip and the file that holds it in one transaction, or neither."""

from __future__ import annotations

import time
from collections import Counter
from datetime import UTC, datetime
from sqlite3 import Connection
from typing import Literal

from soundseek.library.captions import adopt
from soundseek.library.database import Database
from soundseek.library.outcomes import Embedded, Outcome, Unreadable
from soundseek.library.plan import Plan, is_gone
from soundseek.library.reports import Failure
from soundseek.library.scan import Found
from soundseek.library.schema import blob_to_path, path_to_blob
from soundseek.library.wording import name_words, split_words

_COMMIT_FILES = 64
_COMMIT_S = 2.0

Kind = Literal["added", "unchanged", "moved", "changed", "failed"]


class Writer:
    """Gathers outcomes and commits them every 64 files or 2 s.

    Attributes:
        counts: committed files by what became of them.
        failures: committed failures, in the order in which they happened.
        gone: files.id of those that went missing and have not turned up under another path.
        duration_s: seconds of sound in committed new clips.
    """

    def __init__(self, database: Database, *, tags: str | None, replace: bool) -> None:
        """`tags` (a value of files.tags) is given to every file, None leaves what they have.

        `replace` writes the vectors of a known content anew.
        """
        self.counts: Counter[Kind] = Counter()
        self.failures: list[Failure] = []
        self.gone: set[int] = set()
        self.duration_s = 0.0
        self._database = database
        self._tags = tags
        self._replace = replace
        self._pending: list[Outcome] = []
        self._since = time.monotonic()

    def add(self, outcome: Outcome) -> None:
        """Take an outcome; the content of a Known one must be committed or have been added."""
        self._pending.append(outcome)

    def flush_if_due(self) -> None:
        """Commit if enough files or time came together."""
        if len(self._pending) >= _COMMIT_FILES or time.monotonic() - self._since >= _COMMIT_S:
            self.flush()

    def flush(self) -> None:
        """Commit what is pending; it stays pending if that fails."""
        self._since = time.monotonic()
        if not self._pending:
            return
        with self._database.transaction() as connection:
            revision = self._database.next_revision()
            now = datetime.now(UTC).isoformat(timespec="seconds")
            rows = [self._write(connection, one, revision, now) for one in self._pending]
        # An interrupt between the commit and this line writes the same again: to no effect.
        pending, self._pending = self._pending, []
        self.counts.update(kind for kind, _ in rows)
        self.gone.difference_update(row_id for kind, row_id in rows if kind == "moved")
        for outcome in pending:
            if isinstance(outcome, Unreadable):
                self.failures.append(Failure(outcome.file.path, outcome.reason))
            elif isinstance(outcome, Embedded):
                self.duration_s += outcome.duration_s

    def begin(self, plan: Plan) -> None:
        """Record what the scan alone tells: files that are gone, back, or get other tags."""
        missing = [(row_id,) for row_id, has_clip in plan.gone if has_clip]
        forgotten = [(row_id,) for row_id, has_clip in plan.gone if not has_clip]
        tagged = [row_id for row_id, _ in plan.unchanged] if self._tags is not None else []
        if missing or forgotten or tagged or plan.back:
            with self._database.transaction() as connection:
                self._database.next_revision()
                run = connection.executemany
                run("UPDATE files SET state = 'missing' WHERE id = ?", missing)
                run("UPDATE files SET state = 'present' WHERE id = ?", [(i,) for i in plan.back])
                forget_files(connection, forgotten)
                for row_id in tagged:
                    self._tag(connection, row_id)
        self.counts["unchanged"] += len(plan.unchanged)
        self.gone.update(row_id for (row_id,) in missing)

    def _write(
        self, connection: Connection, outcome: Outcome, revision: int, now: str
    ) -> tuple[Kind, int]:
        if isinstance(outcome, Unreadable):
            return self._write_failure(connection, outcome, now)
        if isinstance(outcome, Embedded):
            self._write_clip(connection, outcome, revision)
        (clip_id,) = connection.execute(
            "SELECT id FROM clips WHERE content_hash = ?", (outcome.content_hash,)
        ).fetchone()
        file = outcome.file
        kind, row_id = self._row_for(connection, file, clip_id)
        values = (path_to_blob(file.path), file.size, file.mtime_ns, clip_id, now)
        if row_id is None:
            row_id = connection.execute(
                "INSERT INTO files (path, size, mtime_ns, clip_id, state, indexed_at)"
                " VALUES (?, ?, ?, ?, 'present', ?)",
                values,
            ).lastrowid
        else:
            connection.execute(
                "UPDATE files SET path = ?, size = ?, mtime_ns = ?, clip_id = ?, indexed_at = ?,"
                " state = 'present', reason = NULL WHERE id = ?",
                (*values, row_id),
            )
        assert row_id is not None  # SQLite names the row that it inserted
        self._name(connection, row_id, file)
        return kind, row_id

    def _row_for(
        self, connection: Connection, file: Found, clip_id: int
    ) -> tuple[Kind, int | None]:
        """Return what happened to the file, and the row to use; None for a new one."""
        row = connection.execute(
            "SELECT id, clip_id FROM files WHERE path = ?", (path_to_blob(file.path),)
        ).fetchone()
        if row is not None:
            row_id, old_clip = row
            if old_clip is None:
                return "added", row_id
            return ("unchanged" if old_clip == clip_id else "changed"), row_id
        # The same content under a path that is gone: the file was moved, and keeps its tags. Of
        # roots that are not part of this run nobody has looked yet whether their files are there.
        for row_id, blob, state in connection.execute(
            "SELECT id, path, state FROM files WHERE clip_id = ? ORDER BY state", (clip_id,)
        ):
            if state == "missing" or is_gone(blob_to_path(blob)):
                return "moved", row_id
        return "added", None

    def _write_clip(self, connection: Connection, clip: Embedded, revision: int) -> None:
        update = (
            "UPDATE SET revision = excluded.revision, n_windows = excluded.n_windows,"
            " valid = excluded.valid, vector = excluded.vector, windows = excluded.windows"
        )
        connection.execute(
            "INSERT INTO clips (content_hash, revision, format, sample_rate, channels, duration_s,"
            " n_windows, valid, vector, windows) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
            f" ON CONFLICT (content_hash) DO {update if self._replace else 'NOTHING'}",
            (
                clip.content_hash,
                revision,
                clip.format,
                clip.sample_rate,
                clip.channels,
                clip.duration_s,
                len(clip.windows),
                clip.valid.astype("<u4").tobytes(),
                clip.vector.astype("<f2").tobytes(),
                clip.windows.astype("<f2").tobytes(),
            ),
        )
        adopt(connection, clip.content_hash)

    def _write_failure(
        self, connection: Connection, outcome: Unreadable, now: str
    ) -> tuple[Kind, int]:
        file = outcome.file
        # Where not even the bytes could be read, a change of permissions may be all it takes, and
        # that alters neither size nor time: a size that no file has makes the next run try again.
        size = -1 if outcome.content_hash is None else file.size
        reason = outcome.reason.encode("utf-8", "backslashreplace").decode("utf-8")
        (row_id,) = connection.execute(
            "INSERT INTO files (path, size, mtime_ns, state, reason, indexed_at)"
            " VALUES (?, ?, ?, 'failed', ?, ?) ON CONFLICT (path) DO UPDATE SET"
            " size = excluded.size, mtime_ns = excluded.mtime_ns, clip_id = NULL,"
            " state = 'failed', reason = excluded.reason, indexed_at = excluded.indexed_at"
            " RETURNING id",
            (path_to_blob(file.path), size, file.mtime_ns, reason, now),
        ).fetchone()
        self._name(connection, row_id, file)
        return "failed", row_id

    def _name(self, connection: Connection, row_id: int, file: Found) -> None:
        """Store the words of the file's path and tags."""
        if self._tags is not None:
            connection.execute("UPDATE files SET tags = ? WHERE id = ?", (self._tags, row_id))
        (tags,) = connection.execute("SELECT tags FROM files WHERE id = ?", (row_id,)).fetchone()
        connection.execute("DELETE FROM names WHERE rowid = ?", (row_id,))
        connection.execute(
            "INSERT INTO names (rowid, folder, name, tags) VALUES (?, ?, ?, ?)",
            (row_id, *name_words(file.path, file.root), split_words(tags)),
        )

    def _tag(self, connection: Connection, row_id: int) -> None:
        changed = connection.execute(
            "UPDATE files SET tags = ?1 WHERE id = ?2 AND tags <> ?1", (self._tags, row_id)
        ).rowcount
        if changed:
            words = split_words(self._tags or "")
            connection.execute("UPDATE names SET tags = ? WHERE rowid = ?", (words, row_id))


def forget_files(connection: Connection, row_ids: list[tuple[int]]) -> None:
    """Delete rows of files and their names, inside a transaction."""
    connection.executemany("DELETE FROM names WHERE rowid = ?", row_ids)
    connection.executemany("DELETE FROM files WHERE id = ?", row_ids)


def drop_clips_without_files(database: Database) -> int:
    """Delete the clips that no file holds, and their captions; returns how many."""
    lonely = (
        "SELECT id FROM clips WHERE id NOT IN (SELECT clip_id FROM files WHERE clip_id NOTNULL)"
    )
    if not database.query(f"{lonely} LIMIT 1"):
        return 0
    with database.transaction() as connection:
        database.next_revision()
        connection.execute(f"DELETE FROM captions WHERE clip_id IN ({lonely})")
        return connection.execute(f"DELETE FROM clips WHERE id IN ({lonely})").rowcount
