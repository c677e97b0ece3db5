"""How far something is, told now and then."""

from __future__ import annotations

from soundseek.lab.progress import now_and_then


def test_is_told_at_most_so_often_with_the_time_left() -> None:
    said: list[str] = []
    clock = 100.0
    told = now_and_then(said.append, every_s=10.0, now=lambda: clock)
    for done, moment in ((0, 115.0), (1, 105.0), (500, 110.0), (600, 119.0), (1500, 130.0)):
        clock = moment
        told(done, 3000)
    assert said == ["500 of 3,000, 0.8 min left", "1,500 of 3,000, 0.5 min left"]
