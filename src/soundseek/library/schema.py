"""The tables of library.db, version 2, and how paths and tags are kept in them."""

from __future__ import annotations

import os
from collections.abc import Iterable
from types import MappingProxyType
from typing import Final

SCHEMA_VERSION: Final = 2
APPLICATION_ID: Final = 0x736E646B  # "sndk", in the header of the file: tells it from other ones

# meta: schema_version, revision, created, bundle_name, bundle_fingerprint, bundle_path, dimension,
#   sample_rate (Hz), window_samples, hop_samples, roots (a JSON list of paths).
#   revision grows by one with every transaction that changes anything: a cache that was made at
#   the present revision is fresh.
# clips: vectors come last, since SQLite must walk over a row's large values to reach what is
#   behind them. revision is the library's when the clip came in.
#     valid: uint32 [n_windows], samples of each window that are sound and not padding
#     vector: float16 [dimension], L2-normalised, the clip's
#     windows: float16 [n_windows, dimension], L2-normalised; window i starts at i * hop_samples
# files: path is os.fsencode of the absolute path, since names need not be text.
#   A clip that has no file is dropped at the end of an index run; failed files have no clip.
# names: rowid is files.id. The words are kept (not contentless) because SQLite learnt to delete
#   from contentless tables in 3.43 only, and Python comes with older ones. Porter's stemmer lets
#   "barking" find "dog_barks".
_VERSION_1: Final = (
    "CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
    """CREATE TABLE clips (
        id INTEGER PRIMARY KEY,
        content_hash BLOB NOT NULL UNIQUE,
        revision INTEGER NOT NULL,
        format TEXT NOT NULL,
        sample_rate INTEGER NOT NULL,
        channels INTEGER NOT NULL,
        duration_s REAL NOT NULL,
        n_windows INTEGER NOT NULL,
        valid BLOB NOT NULL,
        vector BLOB NOT NULL,
        windows BLOB NOT NULL)""",
    """CREATE TABLE files (
        id INTEGER PRIMARY KEY,
        path BLOB NOT NULL UNIQUE,
        size INTEGER NOT NULL,
        mtime_ns INTEGER NOT NULL,
        clip_id INTEGER REFERENCES clips(id),
        state TEXT NOT NULL CHECK (state IN ('present', 'missing', 'failed')),
        reason TEXT,
        tags TEXT NOT NULL DEFAULT '',
        indexed_at TEXT NOT NULL)""",
    "CREATE INDEX clips_by_revision ON clips(revision, n_windows)",
    "CREATE INDEX files_of_clip ON files(clip_id)",
    "CREATE INDEX files_not_present ON files(state) WHERE state <> 'present'",
    """CREATE VIRTUAL TABLE names USING fts5(
        folder, name, tags, tokenize='porter unicode61 remove_diacritics 2')""",
)

# captions: what is heard in a clip, in words.
#     clip_id: NULL while the clip is gone because the library took another model: what people
#       wrote waits for the content to come back (see `captions.adopt`).
#     source: 'user', or the fingerprint of the captioner. A clip has one generated caption at most.
#     captioner: the captioner's name; NULL for the user's.
#     text: may be empty where a captioner found nothing to say, so that it is not asked again.
#     score: mean log-probability of a token; NULL for the user's.
#     vector: float16 [dimension], L2-normalised, of the text; empty if it holds no words that the
#       model reads, NULL until the library's present model has read it.
#   AUTOINCREMENT: an id in a cache never stands for another caption.
# captions_text: rowid is captions.id; the words are split as those of names are. The trigger keeps
#   it in step whoever deletes.
CAPTION_TABLES: Final = (
    """CREATE TABLE captions (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        clip_id INTEGER REFERENCES clips(id) ON DELETE SET NULL,
        content_hash BLOB NOT NULL,
        revision INTEGER NOT NULL,
        source TEXT NOT NULL,
        captioner TEXT,
        text TEXT NOT NULL,
        score REAL,
        vector BLOB,
        UNIQUE (content_hash, source, text))""",
    "CREATE INDEX captions_of_clip ON captions(clip_id, source)",
    "CREATE INDEX captions_by_revision ON captions(revision)",
    "CREATE INDEX captions_waiting ON captions(clip_id) WHERE vector IS NULL",
    """CREATE VIRTUAL TABLE captions_text USING fts5(
        text, tokenize='porter unicode61 remove_diacritics 2')""",
    """CREATE TRIGGER captions_deleted AFTER DELETE ON captions BEGIN
        DELETE FROM captions_text WHERE rowid = old.id; END""",
)

TABLES: Final = (*_VERSION_1, *CAPTION_TABLES)

UPGRADES: Final = MappingProxyType({1: CAPTION_TABLES})
"""The statements that make the next version of each older one."""


def path_to_blob(path: str) -> bytes:
    """Return the value of files.path for an absolute path."""
    return os.fsencode(path)


def blob_to_path(blob: bytes) -> str:
    """Return the path of a value of files.path; bytes that are not text become surrogates."""
    return os.fsdecode(blob)


def join_tags(tags: Iterable[str]) -> str:
    """Return the value of files.tags: the tags without spaces around them, each once, by comma."""
    parts = (part.strip() for tag in tags for part in tag.split(","))
    return ",".join(dict.fromkeys(part for part in parts if part))


def split_tags(value: str) -> tuple[str, ...]:
    """Return the tags in a value of files.tags."""
    return tuple(value.split(",")) if value else ()
