"""Longer recordings mixed from several sounds, with what happens in them and when."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from soundseek.synth.blocks import RATE
from soundseek.synth.rendering import check_rate, render, unknown_name

_PEAK = 0.8


@dataclass(frozen=True, slots=True)
class Event:
    """One sound in a scene."""

    start_s: float
    kind: str
    duration_s: float
    gain: float = 1.0

    @property
    def end_s(self) -> float:
        """When the sound is over."""
        return self.start_s + self.duration_s


@dataclass(frozen=True, slots=True)
class Scene:
    """A recording of a place: sounds that last throughout, and events on top of them."""

    name: str
    caption: str
    duration_s: float
    backgrounds: tuple[tuple[str, float], ...]
    """(kind, gain) of each sound that lasts from beginning to end."""
    events: tuple[Event, ...]


def _table(*scenes: Scene) -> Mapping[str, Scene]:
    return MappingProxyType({scene.name: scene for scene in scenes})


SCENES: Mapping[str, Scene] = _table(
    Scene(
        "street_scene",
        "A busy street with a car horn, an emergency siren and footsteps passing by",
        40.0,
        (("traffic", 0.2),),
        (
            Event(5.0, "car_horn", 3.0, 0.6),
            Event(14.0, "siren", 8.0, 0.9),
            Event(28.0, "footsteps", 8.0, 0.9),
        ),
    ),
    Scene(
        "rainy_evening",
        "Steady rain, thunder rolling once, and a dog barking",
        40.0,
        (("rain", 0.25),),
        (Event(8.0, "thunder", 6.0, 0.8), Event(21.0, "dog_bark", 4.0, 1.0)),
    ),
    Scene(
        "quiet_office",
        "A quiet office: someone types, a telephone rings, someone knocks at the door",
        36.0,
        (("ventilation", 0.015),),
        (
            Event(3.0, "typing", 9.0, 0.7),
            Event(16.0, "telephone", 6.0, 0.7),
            Event(28.0, "door_knock", 4.0, 0.9),
        ),
    ),
    Scene(
        "farm_morning",
        "Birds sing on a farm while a rooster crows, a cow moos and a bell tolls far away",
        45.0,
        (("wind", 0.04), ("birds", 0.1)),
        (
            Event(6.0, "rooster", 4.0, 0.8),
            Event(18.0, "cow", 5.0, 0.9),
            Event(32.0, "church_bell", 9.0, 0.9),
        ),
    ),
)
"""Every scene by name."""


def find_scene(name: str) -> Scene:
    """The scene called `name`; raises `SoundseekError` with the choices when there is none."""
    if name in SCENES:
        return SCENES[name]
    raise unknown_name("scene", name, SCENES)


def render_scene(name: str, *, seed: int = 0, sample_rate: int = RATE) -> NDArray[np.float32]:
    """The scene called `name`: mono float32 `[round(duration_s * sample_rate)]`, peak 0.8.

    The same arguments give the same samples on every run. Raises `SoundseekError` for an unknown
    scene, a negative seed or a sample rate out of range.
    """
    scene = find_scene(name)
    check_rate(sample_rate)
    mix = np.zeros(round(scene.duration_s * sample_rate), np.float32)
    layers = [Event(0.0, kind, scene.duration_s, gain) for kind, gain in scene.backgrounds]
    for event in (*layers, *scene.events):
        sound = render(event.kind, seed=seed, duration_s=event.duration_s, sample_rate=sample_rate)
        at = round(event.start_s * sample_rate)
        mix[at : at + len(sound)] += np.float32(event.gain) * sound
    return mix * np.float32(_PEAK / np.max(np.abs(mix)))
