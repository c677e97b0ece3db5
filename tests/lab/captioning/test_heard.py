from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")

import torch

from soundseek.lab.captioning.heard import followed_by, heard_once, weights_mark
from soundseek.lab.retrieval.sequences import SoundSequences
from support.retrieval import noise

pytestmark = pytest.mark.lab

STEP = 800


class Listener:
    """A step is the mean and the largest value of 800 samples."""

    def __init__(self) -> None:
        self.heard = 0

    def __call__(
        self, waveforms: torch.Tensor, samples: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        self.heard += len(waveforms)
        steps = waveforms.shape[1] // STEP
        pieces = waveforms[:, : steps * STEP].reshape(len(waveforms), steps, STEP)
        mask = torch.arange(steps) < (samples // STEP)[:, None]
        return torch.stack([pieces.mean(2), pieces.amax(2)], dim=2), mask


@pytest.fixture
def listened(
    make_clip: Callable[..., Any], make_store: Callable[..., Any], tmp_path: Path
) -> Callable[..., Any]:
    """Return listened(listener, seconds, **what) → sequences and failures of noise so long."""

    def made(listener: Any, *seconds: float, failures: Any = None, **what: Any) -> Any:
        clips = [make_clip(f"c{i}", duration_s=length) for i, length in enumerate(seconds)]
        store = make_store([noise(length, 16_000, i) for i, length in enumerate(seconds)])
        store.failures.update(failures or {})
        return heard_once(
            listener, clips, store, tmp_path, what=what, width=2, least=STEP, max_s=0.4
        )

    return made


def test_a_hearing_is_kept(listened: Callable[..., Any], tmp_path: Path) -> None:
    first, second = Listener(), Listener()
    found, _ = listened(first, 0.1, 0.7, 0.05, encoder="a")
    again, _ = listened(second, 0.1, 0.7, 0.05, encoder="a")
    assert (first.heard, second.heard) == (3, 0)
    assert found.counts.tolist() == [2, 8, 1]  # the second is cut at 0.4 s
    steps, mask = found.batch([0, 1, 2])
    assert torch.equal(steps, again.batch([0, 1, 2])[0])
    assert mask.sum(1).tolist() == [2, 8, 1]
    sound = torch.from_numpy(noise(0.7, 16_000, 1))[: 8 * STEP].reshape(8, STEP)
    torch.testing.assert_close(steps[1, :, 1], sound.amax(1), atol=1e-3, rtol=0)
    assert not list(tmp_path.glob("*.partial*"))


def test_another_hearing_is_made_anew(listened: Callable[..., Any]) -> None:
    listened(Listener(), 0.1, 0.7, encoder="a")
    for seconds, what in (((0.1, 0.7), "b"), ((0.1, 0.6), "a"), ((0.1,), "a")):
        other = Listener()
        listened(other, *seconds, encoder=what)
        assert other.heard == len(seconds)


def test_what_could_not_be_read_is_remembered(listened: Callable[..., Any]) -> None:
    _, failures = listened(Listener(), 0.1, 0.7, failures={"c1": "no sound"})
    assert failures == {"c1": "no sound"}
    _, again = listened(Listener(), 0.1, 0.7)
    assert again == failures


def test_a_hearing_that_is_cut_short_leaves_nothing_to_be_read(
    listened: Callable[..., Any],
) -> None:
    def killed(waveforms: torch.Tensor, samples: torch.Tensor) -> Any:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        listened(killed, 0.1, 0.7)
    whole = Listener()
    found, _ = listened(whole, 0.1, 0.7)
    assert whole.heard == 2
    assert found.counts.tolist() == [2, 8]


def test_weights_have_a_mark() -> None:
    def network(seed: int) -> torch.nn.Module:
        torch.manual_seed(seed)
        return torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4))

    marks = {weights_mark(network(seed)) for seed in (0, 0, 1)}
    assert len(marks) == 2
    changed = network(0)
    changed[1].running_mean += 1e-6  # type: ignore[index, operator]
    assert weights_mark(changed) not in marks


def test_items_can_follow() -> None:
    steps = np.arange(10, dtype=np.float16).reshape(5, 2)
    heard = SoundSequences(steps, np.array([0, 2]), np.array([2, 3]))
    both = followed_by(heard, torch.tensor([[20.0, 21], [22, 23], [24, 25]]), [1, 2])
    found, mask = both.batch([3, 1, 2])
    assert mask.sum(1).tolist() == [2, 3, 1]
    assert found[0, :2].tolist() == [[22, 23], [24, 25]]
    assert found[1, :, 0].tolist() == [4, 6, 8]
    assert found[2, 0].tolist() == [20, 21]
    same = followed_by(heard, torch.zeros(0, 2), [])
    assert same.starts.tolist() == [0, 2]
    assert same.counts.tolist() == [2, 3]
