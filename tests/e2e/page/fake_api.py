"""A server with the page and made-up answers: any number of sounds, and errors on demand."""

from __future__ import annotations

import asyncio
import json
import math
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import soundfile
from fastapi import FastAPI, Query, Request, Response
from fastapi.responses import FileResponse, JSONResponse, StreamingResponse

from soundseek.serve.routes.page import router as page
from soundseek.serve.security import SECURITY_HEADERS
from soundseek.synth import KINDS, SCENES, plan_collection, write_collection

ROOT = "/home/ada/sounds"
Strings = Annotated[list[str], Query()]
API = "/api/v1"


@dataclass
class FakeServer:
    """Knobs, and what was asked. `problems`: the beginning of a path → (status, problem) that it is
    answered with; `delay_s` is waited before each search; `calibrated`: what a score means."""

    problems: dict[str, tuple[int, dict[str, str]]] = field(default_factory=dict)
    delay_s: float = 0.0
    calibrated: bool = True
    requests: list[str] = field(default_factory=list)
    exports: list[dict[str, Any]] = field(default_factory=list)
    uploads: list[int] = field(default_factory=list)
    job: dict[str, Any] | None = None


class Sounds:
    """Synthetic sounds on disk, repeated under other names up to `number`."""

    def __init__(self, folder: Path, number: int) -> None:
        self.files = write_collection(folder, variants=1)
        self.items = plan_collection(variants=1)
        self.waves = [soundfile.read(path, dtype="float32") for path in self.files]
        self.number = number

    def clip(self, index: int) -> dict[str, Any]:
        turn, take = index % len(self.files), index // len(self.files)
        item, (samples, rate) = self.items[turn], self.waves[turn]
        said = (SCENES if item.is_scene else KINDS)[item.name]
        name = item.path.name if not take else f"{item.path.stem}_{take + 1:04d}{item.path.suffix}"
        folder = f"{ROOT}/{item.path.parent}"
        return {
            "id": str(index),
            "name": name,
            "path": f"{folder}/{name}",
            "folder": folder,
            "duration_s": round(len(samples) / rate, 3),
            "sample_rate": rate,
            "channels": 1,
            "format": item.path.suffix[1:],
            "tags": [item.name],
            "caption": said.caption if turn % 3 else None,
        }

    def peaks(self, index: int, bins: int) -> dict[str, Any]:
        samples, rate = self.waves[index % len(self.waves)]
        edges = np.linspace(0, len(samples), bins + 1).astype(int)
        parts = [samples[a : max(a + 1, b)] for a, b in pairwise(edges)]
        return {
            "bins": bins,
            "duration_s": len(samples) / rate,
            "min": [int(max(-128, part.min() * 128)) for part in parts],
            "max": [int(min(127, part.max() * 127)) for part in parts],
        }


def _passes(
    clip: dict[str, Any],
    low: float | None,
    high: float | None,
    folders: list[str],
    formats: list[str],
) -> bool:
    return (
        (low is None or clip["duration_s"] >= low)
        and (high is None or clip["duration_s"] <= high)
        and (not folders or any(clip["folder"].startswith(folder) for folder in folders))
        and (not formats or clip["format"] in formats)
    )


def _ranked(sounds: Sounds, text: str, calibrated: bool) -> list[dict[str, Any]]:
    """Hits for a text: clips that share its words first, the others in an order of their own."""
    words = set(text.lower().split())
    scored = []
    for index in range(min(sounds.number, 1000)):
        clip = sounds.clip(index)
        known = set(
            f"{clip['name']} {clip['caption'] or ''}".lower()
            .replace("_", " ")
            .replace(".", " ")
            .split()
        )
        luck = zlib.crc32(f"{text}{index}".encode()) / 2**32
        scored.append((0.72 * (len(words & known) / max(1, len(words))) + 0.25 * luck, index))
    scored.sort(reverse=True)
    hits = []
    for rank, (score, index) in enumerate(scored, 1):
        clip = sounds.clip(index)
        start = round(clip["duration_s"] * 0.2 * (index % 4), 2)
        hits.append(
            clip
            | {
                "rank": rank,
                "score": score,
                "similarity": score,
                "probability": 1 / (1 + math.exp(6 * (0.5 - score))) if calibrated else None,
                "percentile": 100 * (1 - rank / sounds.number),
                "name_rank": None,
                "start_s": start,
                "end_s": min(clip["duration_s"], start + max(1.0, clip["duration_s"] * 0.3)),
            }
        )
    return hits


def make_app(sounds: Sounds, fake: FakeServer) -> FastAPI:
    app = FastAPI()

    @app.middleware("http")
    async def guard(request: Request, answer: Callable[[Request], Awaitable[Response]]) -> Response:
        path = request.url.path
        if path.startswith(API):
            fake.requests.append(f"{path}?{request.url.query}" if request.url.query else path)
        for start, (status, problem) in fake.problems.items():
            if path.startswith(start):
                return JSONResponse(problem | {"status": status}, status, {"Retry-After": "60"})
        response = await answer(request)
        response.headers.update(SECURITY_HEADERS)
        return response

    app.include_router(page)
    _searching(app, sounds, fake)
    _media(app, sounds)
    _upkeep(app, sounds, fake)
    return app


def _searching(app: FastAPI, sounds: Sounds, fake: FakeServer) -> None:
    @app.get(f"{API}/search")
    async def search(
        q: str = "",
        like: str = "",
        upload: str = "",
        without: str = "",
        min_duration: float | None = None,
        max_duration: float | None = None,
        folder: Strings = [],  # noqa: B006
        format: Strings = [],  # noqa: A002, B006
        offset: int = 0,
        limit: int = 50,
    ) -> dict[str, Any]:
        await asyncio.sleep(fake.delay_s)
        text = q or (sounds.clip(int(like))["name"].replace("_", " ") if like else "thunder")
        hits = [] if q == "zzz" else _ranked(sounds, text, fake.calibrated)
        hits = [hit for hit in hits if _passes(hit, min_duration, max_duration, folder, format)]
        if without:
            hits = [
                hit for hit in hits if without.split()[-1] not in (hit["caption"] or hit["name"])
            ]
        for rank, hit in enumerate(hits, 1):
            hit["rank"] = rank
        return {
            "query": {"q": q},
            "offset": offset,
            "limit": limit,
            "total": len(hits),
            "unknown_words": [word for word in q.split() if word == "xyzzy"],
            "took_ms": 7.3,
            "hits": hits[offset : offset + limit],
        }

    @app.get(f"{API}/clips")
    async def clips(
        min_duration: float | None = None,
        max_duration: float | None = None,
        folder: Strings = [],  # noqa: B006
        format: Strings = [],  # noqa: A002, B006
        offset: int = 0,
        limit: int = 50,
    ) -> dict[str, Any]:
        if not (min_duration or max_duration or folder or format):
            end = min(sounds.number, offset + limit)
            return {"total": sounds.number, "clips": [sounds.clip(i) for i in range(offset, end)]}
        found = (sounds.clip(i) for i in range(sounds.number))
        kept = [clip for clip in found if _passes(clip, min_duration, max_duration, folder, format)]
        return {"total": len(kept), "clips": kept[offset : offset + limit]}

    @app.get(f"{API}/facets")
    async def facets() -> dict[str, Any]:
        some = [sounds.clip(i) for i in range(min(sounds.number, len(sounds.files)))]
        folders = sorted({clip["folder"] for clip in some})
        formats = sorted({clip["format"] for clip in some})
        return {
            "formats": [
                {"value": f, "count": sum(c["format"] == f for c in some)} for f in formats
            ],
            "folders": [{"path": ROOT, "count": len(some)}]
            + [{"path": f, "count": sum(c["folder"] == f for c in some)} for f in folders],
            "duration_s": {"min": 1.0, "max": 60.0},
        }


def _media(app: FastAPI, sounds: Sounds) -> None:
    @app.get(f"{API}/clips/{{index}}")
    async def clip(index: int) -> dict[str, Any]:
        return sounds.clip(index) | {
            "size_bytes": 123456,
            "captions": [
                {
                    "text": sounds.clip(index)["caption"] or "A sound",
                    "source": "user",
                    "score": None,
                }
            ],
            "attribution": {"text": "Ada Lovelace", "licence": "CC BY 4.0"},
            "content_hash": "ab12" * 8,
        }

    @app.get(f"{API}/clips/{{index}}/audio")
    async def audio(index: int, download: int = 0) -> FileResponse:
        path = sounds.files[index % len(sounds.files)]
        name = sounds.clip(index)["name"] if download else None
        return FileResponse(path, filename=name)

    @app.get(f"{API}/clips/{{index}}/peaks")
    async def peaks(index: int, bins: int = 400) -> dict[str, Any]:
        return sounds.peaks(index, bins)


def _upkeep(app: FastAPI, sounds: Sounds, fake: FakeServer) -> None:
    @app.get("/healthz")
    async def health() -> dict[str, bool]:
        return {"ok": True}

    @app.get(f"{API}/status")
    async def status() -> dict[str, Any]:
        return {
            "version": "0.1.0",
            "library": {
                "path": "/home/ada/library",
                "clips": sounds.number,
                "files": sounds.number,
                "windows": sounds.number * 3,
                "hours": sounds.number * 5 / 3600,
                "failed": 3,
                "captioned": 140,
                "missing": 0,
            },
            "model": {
                "name": "soundseek-mini-2",
                "fingerprint": "f" * 16,
                "calibrated": fake.calibrated,
            },
            "captioner": "soundseek-captioner-1",
            "roots": [
                {"index": 0, "path": ROOT, "available": True},
                {"index": 1, "path": "/media/ada/archive", "available": False},
            ],
            "limits": {"max_upload_bytes": 5_000_000},
            "jobs_running": 0,
        }

    @app.post(f"{API}/uploads", status_code=201)
    async def upload(request: Request) -> dict[str, Any]:
        fake.uploads.append(len(await request.body()))
        return {"id": "up1", "duration_s": 2.0, "expires_in_s": 900}

    @app.post(f"{API}/export")
    async def export(request: Request) -> Response:
        fake.exports.append(await request.json())
        return Response(b"name,path\n", media_type="text/csv")

    @app.get(f"{API}/jobs")
    async def jobs() -> dict[str, Any]:
        return {"jobs": [fake.job] if fake.job else []}

    @app.post(f"{API}/jobs", status_code=202)
    async def start(request: Request) -> dict[str, Any]:
        await request.json()
        fake.job = new_job()
        return fake.job

    @app.get(f"{API}/jobs/{{name}}")
    async def job(name: str) -> dict[str, Any]:
        return fake.job or {}

    @app.delete(f"{API}/jobs/{{name}}")
    async def stop(name: str) -> dict[str, Any]:
        assert fake.job
        fake.job |= {"state": "cancelled"}
        return fake.job

    @app.get(f"{API}/jobs/{{name}}/events")
    async def events(name: str) -> StreamingResponse:
        async def told() -> AsyncIterator[str]:
            job = fake.job
            while job and job["state"] == "running":
                yield f"event: progress\ndata: {json.dumps(job)}\n\n"
                await asyncio.sleep(0.1)
                if not job.get("held"):
                    job["done"] = min(job["total"], job["done"] + 400)
                    if job["done"] == job["total"]:
                        job["state"] = "done"
            yield f"event: done\ndata: {json.dumps(job)}\n\n"

        return StreamingResponse(told(), media_type="text/event-stream")


def new_job() -> dict[str, Any]:
    return {
        "id": "j1",
        "kind": "index",
        "state": "running",
        "doing": "listening",
        "done": 1412,
        "total": 4210,
        "rate": 41.7,
        "eta_s": 67,
        "current": f"{ROOT}/recorder/rec_0412.wav",
        "indexed": 1290,
        "unchanged": 119,
        "failed": [
            {
                "path": f"{ROOT}/old/tape_07.wav",
                "reason": "The file ends in the middle of its header.",
            },
            {
                "path": f"{ROOT}/old/notes.mp3",
                "reason": "There is no sound in it: it is a text file.",
            },
            {"path": f"{ROOT}/city/tram.flac", "reason": "Reading it is not permitted."},
        ],
        "failed_count": 3,
        "started_at": "2026-01-05T10:00:00Z",
        "ended_at": None,
        "error": None,
    }
