"""Captions in the tables: stored beside their clips, searchable by their words."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from sqlite3 import Connection
from typing import TYPE_CHECKING, Any, Final

from soundseek.errors import LibraryError, QueryError
from soundseek.library.database import Database
from soundseek.library.query import AnyPath, path_spellings
from soundseek.library.wording import split_words

if TYPE_CHECKING:
    from soundseek.bundle.runtime import Bundle
    from soundseek.library.library import Library

USER: Final = "user"
"""The value of captions.source for what people wrote; other captions have a fingerprint there."""

NO_VECTOR: Final = b""
"""The value of captions.vector for a text that holds no words."""

_PER_STATEMENT = 500


@dataclass(frozen=True, slots=True)
class StoredCaption:
    """What is said of a clip.

    Attributes:
        text: the caption.
        source: "user", or the fingerprint of the captioner.
        captioner: the captioner's name; None for the user's.
        score: mean log-probability of a token; None for the user's.
    """

    text: str
    source: str
    captioner: str | None
    score: float | None

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON can hold them."""
        return dataclasses.asdict(self)


def one_line(text: str) -> str:
    """Return a caption as it is stored: one line that any program can encode."""
    return " ".join(text.replace("\0", " ").encode("utf-8", "replace").decode("utf-8").split())


def caption_vectors(bundle: Bundle, texts: Sequence[str]) -> list[bytes]:
    """Return the values of captions.vector of the texts; one without words has an empty one."""
    if not texts:
        return []
    try:
        return [vector.astype("<f2").tobytes() for vector in bundle.encode_text(list(texts))]
    except QueryError:
        if len(texts) == 1:
            return [NO_VECTOR]
        return [vector for text in texts for vector in caption_vectors(bundle, [text])]


def insert_caption(
    connection: Connection,
    clip_id: int,
    revision: int,
    text: str,
    vector: bytes | None,
    *,
    source: str = USER,
    captioner: str | None = None,
    score: float | None = None,
) -> bool:
    """Store a caption, inside a transaction; returns False if the clip has this one already."""
    row = connection.execute(
        "INSERT INTO captions"
        " (clip_id, content_hash, revision, source, captioner, text, score, vector)"
        " SELECT id, content_hash, ?, ?, ?, ?, ?, ? FROM clips WHERE id = ?"
        " ON CONFLICT DO NOTHING RETURNING id",
        (revision, source, captioner, text, score, vector, clip_id),
    ).fetchone()
    if row is None:
        return False
    connection.execute(
        "INSERT INTO captions_text (rowid, text) VALUES (?, ?)", (row[0], split_words(text))
    )
    return True


def forget_clips(connection: Connection) -> None:
    """Get ready for a library without clips, inside a transaction.

    Generated captions go, what people wrote waits until its content is there again.
    """
    connection.execute("DELETE FROM captions WHERE source <> ?", (USER,))
    connection.execute("UPDATE captions SET clip_id = NULL, vector = NULL")


def adopt(connection: Connection, content_hash: bytes) -> None:
    """Give captions that wait for this content to its new clip, inside a transaction."""
    connection.execute(
        "UPDATE captions SET clip_id = (SELECT id FROM clips WHERE content_hash = ?1)"
        " WHERE content_hash = ?1 AND clip_id IS NULL",
        (content_hash,),
    )


def encode_waiting(library: Library) -> None:
    """Give adopted captions their vectors by the library's present model."""
    database = library.database
    if not database.has_captions():
        return
    waiting = database.query(
        "SELECT id, text FROM captions WHERE vector IS NULL AND clip_id IS NOT NULL"
    )
    for start in range(0, len(waiting), _PER_STATEMENT):
        part = waiting[start : start + _PER_STATEMENT]
        vectors = caption_vectors(library.bundle, [text for _, text in part])
        with database.transaction() as connection:
            revision = database.next_revision()
            connection.executemany(
                "UPDATE captions SET vector = ?, revision = ? WHERE id = ?",
                [(vector, revision, row[0]) for vector, row in zip(vectors, part, strict=True)],
            )


def captions_of(database: Database, path: AnyPath) -> list[StoredCaption]:
    """Return the captions of the file at `path`, the user's first; see `Library.captions`."""
    for blob in path_spellings(path):
        known = database.query("SELECT clip_id FROM files WHERE path = ?", (blob,))
        if known and not database.has_captions():
            return []
        for (clip_id,) in known:
            rows = database.query(
                "SELECT text, source, captioner, score FROM captions"
                " WHERE clip_id = ? AND text <> '' ORDER BY source <> 'user', id",
                (clip_id,),
            )
            return [StoredCaption(*row) for row in rows]
    raise LibraryError(
        f"{path} is not in the library {database.path}", remedy="index it: soundseek index FILE"
    )


def best_captions(database: Database, clip_ids: Sequence[int]) -> dict[int, str]:
    """Return what to show of each clip that has a caption: the user's first, else the generated."""
    if not database.has_captions():
        return {}
    best: dict[int, str] = {}
    for start in range(0, len(clip_ids), _PER_STATEMENT):
        part = tuple(clip_ids[start : start + _PER_STATEMENT])
        for clip_id, text in database.query(
            f"SELECT clip_id, text FROM captions WHERE clip_id IN ({', '.join('?' * len(part))})"
            " AND text <> '' ORDER BY source <> 'user', id",
            part,
        ):
            best.setdefault(clip_id, text)
    return best
