"""What two processes do in the tests of the trainer; `python -m support.companions FOLDER`.

As a process of its own, so that a test can set a limit to how long it waits; one for all, because
its start takes longest.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor

from soundseek.errors import DataError, SoundseekError
from soundseek.lab.devices import open_fabric, reduced
from soundseek.lab.encodings import AudioEncoding, TextEncoding, Tokens
from soundseek.lab.objectives.nt_xent import NtXent
from soundseek.lab.objectives.pairs import PairBatch
from soundseek.lab.processes import companions
from soundseek.lab.retrieval.gathering import gathered
from support.pair_batches import WIDTH, pair_batch

PLAIN, MIXED = 6, 2
Companions = tuple[subprocess.CompletedProcess[str], Path]


def in_two(folder: Path, limit_s: float = 240.0) -> subprocess.CompletedProcess[str]:
    """Run all of `WORK` in two processes each, one after the other; on stdout a line each, its name
    and what it ended in. Raises where they have not ended within the limit."""
    path = os.pathsep.join([str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    return subprocess.run(
        [sys.executable, "-m", "support.companions", str(folder)],
        capture_output=True,
        text=True,
        timeout=limit_s,
        check=False,
        env={**os.environ, "PYTHONPATH": path},
    )


def whole_batch() -> tuple[PairBatch, Tensor]:
    """Six plain pairs of four groups and two mixed ones; and weights that all go through."""
    pairs = pair_batch([0, 1, 1, 2, 3, 0, 100, 101])
    first = slice(0, PLAIN)
    weights = torch.eye(6) + 0.1 * torch.randn(6, 6, generator=torch.Generator().manual_seed(9))
    sound, text = pairs.audio_encoding, pairs.text_encoding
    plain: dict[str, Any] = {
        "plain": PLAIN,
        "audio_encoding": AudioEncoding(
            sound.sequence[first], sound.mask[first], sound.pooled[first]
        ),
        "text_encoding": TextEncoding(text.sequence[first], text.mask[first], text.pooled[first]),
        "tokens": Tokens(pairs.tokens.ids[first], pairs.tokens.mask[first]),
    }
    return PairBatch(**{**pairs.__dict__, **plain}), weights


def share(pairs: PairBatch, rank: int) -> PairBatch:
    """What one of two processes has of a batch, its sequences no longer than they need be."""
    n, m = PLAIN // 2, MIXED // 2
    own = slice(rank * n, (rank + 1) * n)
    rows = [*range(own.start, own.stop), *range(PLAIN + rank * m, PLAIN + (rank + 1) * m)]
    sound, text = pairs.audio_encoding, pairs.text_encoding
    steps, words = (int(one.mask[own].sum(1).max()) for one in (sound, text))
    return PairBatch(
        audio=pairs.audio[rows],
        text=pairs.text[rows],
        groups=torch.cat([pairs.groups[own], pairs.groups[own][:m] * 0 + 50]),
        audio_encoding=AudioEncoding(
            sound.sequence[own, :steps], sound.mask[own, :steps], sound.pooled[own]
        ),
        text_encoding=TextEncoding(
            text.sequence[own, :words], text.mask[own, :words], text.pooled[own]
        ),
        tokens=Tokens(pairs.tokens.ids[own, :words], pairs.tokens.mask[own, :words]),
        plain=n,
        generator=pairs.generator,
    )


def changed(pairs: PairBatch, weights: Tensor) -> PairBatch:
    """With embeddings and sequences that depend on the weights."""
    sound = pairs.audio_encoding
    wide = torch.block_diag(weights, torch.eye(WIDTH - 6))
    encoding = AudioEncoding(sound.sequence @ wide, sound.mask, sound.pooled)
    parts = {"audio": pairs.audio @ weights, "text": pairs.text @ weights.T}
    return PairBatch(**{**pairs.__dict__, **parts, "audio_encoding": encoding})


def losses(pairs: PairBatch) -> tuple[Tensor, Tensor]:
    """One that is the same in all processes, and one that is a mean over a process's own pairs and
    looks at other ones too."""
    shared = NtXent(temperature=0.3)(pairs)
    own = pairs.own_rows
    sequence, mask = pairs.audio_encoding.sequence, pairs.audio_encoding.mask
    heard = (sequence * mask[:, :, None]).sum((1, 2)).square()
    other = (own + 1) % pairs.plain
    return shared, (heard[own] * pairs.tokens.ids[own].sum(1) + heard[other]).mean()


def gather(folder: Path) -> None:
    """Leave what the first process has gathered, and the gradients, averaged as DDP does. Then the
    first meets an error while the companion works on."""
    fabric = open_fabric("cpu", 2, "fp32")
    pairs, weights = whole_batch()
    found: dict[str, Any] = {}
    for number, name in enumerate(("shared", "own")):
        leaf = weights.clone().requires_grad_()
        both = gathered(changed(share(pairs, fabric.global_rank), leaf), fabric, sequences=True)
        loss = losses(both)[number]
        loss.backward()
        assert leaf.grad is not None
        found[f"{name} gradient"] = reduced(fabric, leaf.grad, "sum") / 2
        found[f"{name} loss"] = reduced(fabric, loss.detach(), "sum") / 2
    found |= {
        "groups": both.groups,
        "audio": both.audio.detach(),
        "tokens": both.tokens.ids,
        "token_mask": both.tokens.mask,
        "steps": both.audio_encoding.mask,
        "plain": both.plain,
    }
    without = gathered(share(pairs, fabric.global_rank), fabric, sequences=False)
    found["sequences stay"] = len(without.tokens.ids) == PLAIN // 2
    if fabric.is_global_zero:
        torch.save(found, folder / "found.pt")
        raise DataError("the first cannot read it", remedy="look")
    _together(fabric, 100_000)


def _together(fabric: Fabric, times: int) -> None:
    for _ in range(times):
        reduced(fabric, torch.ones(()), "sum")
        time.sleep(0.01)


def killed(folder: Path) -> None:
    """The companion is killed in the middle of its work."""
    fabric = open_fabric("cpu", 2, "fp32")
    _together(fabric, 3)
    if not fabric.is_global_zero:
        os.kill(os.getpid(), signal.SIGKILL)
    _together(fabric, 100_000)


def refused(folder: Path) -> None:
    """The companion alone meets an error of the data."""
    fabric = open_fabric("cpu", 2, "fp32")
    _together(fabric, 3)
    if not fabric.is_global_zero:
        raise DataError("the companion cannot read it", remedy="look")
    _together(fabric, 100_000)


def dies_at_once(folder: Path) -> None:
    """The companion does not come as far as its work: it cannot be unpickled there."""
    open_fabric("cpu", 2, "fp32")


class Unreadable:
    """Ends the process that unpickles it."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os._exit, (7,)


WORK = (gather, killed, refused, dies_at_once)


def main(folder: Path) -> None:
    """A line on stdout for each."""
    for work in WORK:
        given: Any = Unreadable() if work is dies_at_once else folder
        said = "done"
        try:
            with companions(2, work, given):
                work(folder)
        except SoundseekError as error:
            said = f"{type(error).__name__}: {error.message}"
        print(f"{work.__name__}: {said}", flush=True)


if __name__ == "__main__":
    # By its full name: a companion could not find what is defined in __main__.
    from support import companions as this

    this.main(Path(sys.argv[1]))
