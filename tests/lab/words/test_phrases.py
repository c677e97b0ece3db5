from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")

from soundseek.lab.words.phrases import framed, ordered_and_denied

pytestmark = pytest.mark.lab


def test_texts_stand_in_frames() -> None:
    made = framed(["Rain.", "wind"], 400, np.random.default_rng(1))
    assert len(made) == 400
    assert {"the sound of rain", "wind in the background"} <= set(made)
    assert all(("rain" in one) != ("wind" in one) and "." not in one for one in made)
    assert "rain" not in made


def test_order_choice_and_absence() -> None:
    made = ordered_and_denied(["Rain.", "wind"], 900, np.random.default_rng(1))
    assert len(made) == 900
    assert {"rain then wind", "rain but no wind", "no wind", "wind after rain"} <= set(made)
    assert made == ordered_and_denied(["Rain.", "wind"], 900, np.random.default_rng(1))
