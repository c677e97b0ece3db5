"""Seeded sample sounds, made by code alone: for demonstrations, examples and tests."""

from __future__ import annotations

from soundseek.synth.collection import Item, plan_collection, write_collection
from soundseek.synth.kinds import KINDS, Kind
from soundseek.synth.rendering import render, variants
from soundseek.synth.scenes import SCENES, Event, Scene, render_scene

__all__ = [
    "KINDS",
    "SCENES",
    "Event",
    "Item",
    "Kind",
    "Scene",
    "plan_collection",
    "render",
    "render_scene",
    "variants",
    "write_collection",
]
