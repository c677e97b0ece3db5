"""Twelve captions with their references, written for these tests, and programs that play Java."""

from __future__ import annotations

import sys
from pathlib import Path

PREDICTIONS = {
    "rain": "rain falls on a tin roof and thunder rolls",
    "dog": "A dog barks twice, then it's quiet.",
    "café": "people talk in a café while cups clink",
    "train": "a train passes by and a horn is blown",
    "door": "an old door creaks open slowly and slams shut",
    "birds": "birds sing, birds sing and birds sing",
    "engine": "an engine won't start",
    "sea": "waves break on the shore",
    "clock": "a clock strikes at 10:30 a.m.",
    "bell": "someone’s “well-known” bicycle bell (rings)",
    "crowd": "cheering",
    "frog": "a machine hums at a steady pitch in a large hall",
}
REFERENCES = {
    "rain": [
        "Rain is falling on a tin roof while thunder rolls far away.",
        "Heavy rain hits a metal roof and it thunders.",
        "A thunderstorm with rain upon a roof of tin",
    ],
    "dog": ["A dog barks two times and then it is quiet.", "A small dog's barking, then silence"],
    "café": [
        "People are talking in a café, and cups and spoons clink.",
        "Guests of a restaurant chat while dishes clatter",
        "Cups clink while people talk in a café",
        "Voices and crockery in a coffee house",
    ],
    "train": ["A train rushes past and sounds its horn", "A horn blows as a train goes by"],
    "door": [
        "A creaking door is opened slowly and then slammed",
        "The hinges of an old door creak before it shuts with a bang",
        "A wooden door creaks open and slams shut",
    ],
    "birds": ["Two birds sing in turn in a quiet forest", "Birdsong", "Birds are singing outside"],
    "engine": [
        "A car's engine will not start",
        "Someone tries to start an engine, but it won't run",
    ],
    "sea": ["Waves roll onto a beach of pebbles", "The sea breaks on a shore and gulls cry"],
    "clock": ["A tall clock strikes eleven", "Chimes of a clock, then its bell strikes the hour"],
    "bell": ["A bicycle bell is rung by someone", "The bell of a bicycle rings three times"],
    "crowd": ["A crowd cheers and claps in a stadium", "Many people are cheering"],
    "frog": ["Frogs croak by a pond at night", "A single frog croaks again and again"],
}


def program(path: Path, body: str) -> Path:
    """Write a Python program that is started as `path`; for programs that play Java."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!{sys.executable}\nimport os, signal, sys\n{body}\n", encoding="utf-8")
    path.chmod(0o755)
    return path
