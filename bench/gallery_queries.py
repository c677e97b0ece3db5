"""What people type: the queries of the gallery."""

from __future__ import annotations

from typing import NamedTuple


class Query(NamedTuple):
    """`beside`: another wording, whose first five are compared with those of `text`."""

    kind: str
    text: str
    beside: str | None = None


QUERIES = (
    Query("one word", "rain"),
    Query("one word", "explosion"),
    Query("one word", "laughter"),
    Query("sentence", "a heavy wooden door creaks open slowly and then slams shut"),
    Query("sentence", "somebody walks through dry leaves in the woods"),
    Query("question", "what does a rooster sound like?", "rooster"),
    Query("two events", "a dog barks while a car drives past"),
    Query("two events", "thunder and heavy rain"),
    Query("order", "glass breaks, then people shout", "people shout, then glass breaks"),
    Query("order", "an engine starts and then idles", "an engine idles and then starts"),
    Query("negation", "rain without thunder", "rain with thunder"),
    Query("negation", "an engine that is not a car", "a car engine"),
    Query("count", "a single gunshot", "many gunshots"),
    Query("material", "footsteps on gravel", "footsteps on wood"),
    Query("material", "metal hitting metal"),
    Query("material", "paper being torn"),
    Query("place", "inside a busy café"),
    Query("place", "a forest at night with crickets"),
    Query("place", "railway station"),
    Query("mood", "eerie and threatening"),
    Query("mood", "calm and soothing"),
    Query("mood", "a cheerful jingle of success", "a sad melody of failure"),
    Query("instrument", "cello"),
    Query("instrument", "snare drum roll"),
    Query("instrument", "flute playing a high note", "flute playing a low note"),
    Query("animal", "a cat meowing"),
    Query("animal", "small bird singing"),
    Query("animal", "lion roaring"),
    Query("vehicle", "helicopter flying over"),
    Query("vehicle", "steam train whistle"),
    Query("vehicle", "ambulance siren in traffic"),
    Query("machine", "old typewriter"),
    Query("machine", "jackhammer on the street"),
    Query("quality", "deep low rumble", "high-pitched squeak"),
    Query("game", "laser gun"),
    Query("spelt as heard", "tick tock", "a clock ticking"),
    Query("unheard of", "theremin"),
    Query("unheard of", "whale song under water"),
    Query("misspelling", "thunderstrom", "thunderstorm"),
    Query("another language", "perro ladrando", "a dog barking"),
)
