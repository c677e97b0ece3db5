"""The table of all kinds of sound: one row a kind, from name to builder."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from soundseek.synth import (
    animals,
    household,
    machines,
    music,
    people,
    signals,
    water,
    weather,
)
from soundseek.synth.blocks import Signal

Builder = Callable[[np.random.Generator, int], Signal]
"""Makes `n` samples at `blocks.RATE` from a generator; the level is set afterwards."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of sound that can be made."""

    name: str
    """What `render` calls it."""
    folder: str
    """Where a collection puts it."""
    duration_s: float
    """How long it is unless the caller says otherwise."""
    caption: str
    """What it sounds like, in plain English."""
    keywords: tuple[str, ...]
    """Words that a person who looks for it might type."""
    build: Builder


def _table(*rows: tuple[str, str, float, Builder, str, str]) -> Mapping[str, Kind]:
    kinds: dict[str, Kind] = {}
    for name, folder, duration_s, build, caption, keywords in rows:
        if name in kinds:
            raise ValueError(f"two kinds are called {name!r}")
        kinds[name] = Kind(name, folder, duration_s, caption, tuple(keywords.split(", ")), build)
    return MappingProxyType(kinds)


# fmt: off
KINDS: Mapping[str, Kind] = _table(
    # Nature
    ("rain", "nature", 6, weather.rain, "Rain is falling steadily", "rain, shower, downpour"),
    ("wind", "nature", 6, weather.wind, "Wind blows in strong gusts", "wind, gust, storm"),
    ("waves", "nature", 9, weather.waves, "Waves break on a beach", "sea, ocean, waves, surf"),
    ("thunder", "nature", 6, weather.thunder, "Thunder cracks and rolls away", "thunder, storm"),
    ("fire", "nature", 6, weather.fire, "A wood fire crackles", "fire, crackling, campfire"),
    ("stream", "nature", 6, water.stream,
     "A small stream flows over stones", "stream, brook, water"),
    ("dripping", "nature", 5, water.dripping, "Water drips into a basin", "drip, drop, water"),
    ("bubbling", "nature", 5, water.bubbling,
     "Water bubbles and gurgles", "bubbles, gurgle, water"),
    # Animals
    ("birds", "animals", 6, animals.birds, "Birds chirp and sing", "bird, chirp, song, tweet"),
    ("crickets", "animals", 6, animals.crickets,
     "Crickets chirp at night", "cricket, insect, night"),
    ("dog_bark", "animals", 4, animals.dog_bark, "A dog barks", "dog, bark, barking"),
    ("cat_meow", "animals", 4, animals.cat_meow, "A cat meows", "cat, meow, kitten"),
    ("cow", "animals", 5, animals.cow, "A cow moos", "cow, moo, cattle, farm"),
    ("sheep", "animals", 4, animals.sheep, "A sheep bleats", "sheep, bleat, goat, farm"),
    ("rooster", "animals", 4, animals.rooster, "A rooster crows", "rooster, cock, crowing, farm"),
    ("frog", "animals", 5, animals.frog, "Frogs croak by a pond", "frog, croak, pond"),
    ("owl", "animals", 6, animals.owl, "An owl hoots at night", "owl, hoot, night"),
    ("crow", "animals", 4, animals.crow, "A crow caws", "crow, caw, raven"),
    ("bee", "animals", 5, animals.bee, "A bee buzzes around", "bee, buzz, insect, fly"),
    # City
    ("traffic", "city", 9, machines.traffic, "Cars drive past on a road", "traffic, road, cars"),
    ("car_engine", "city", 5, machines.car_engine, "A car engine is idling", "engine, idle, car"),
    ("car_horn", "city", 4, signals.car_horn, "A car horn honks", "horn, honk, car"),
    ("motorcycle", "city", 5, machines.motorcycle,
     "A motorcycle is revved", "motorcycle, rev, engine"),
    ("siren", "city", 6, signals.siren, "An emergency siren wails", "siren, police, ambulance"),
    ("two_tone_siren", "city", 5, signals.two_tone_siren,
     "An ambulance passes with a two-tone siren", "siren, ambulance, fire engine"),
    ("reversing_beeps", "city", 5, signals.reversing_beeps,
     "A lorry beeps as it reverses", "beep, truck, reversing"),
    ("train", "city", 6, machines.train,
     "A train clatters along the rails", "train, railway, rails"),
    ("train_horn", "city", 6, signals.train_horn, "A train blows its horn", "train, horn, whistle"),
    ("ship_horn", "city", 6, signals.ship_horn,
     "A ship sounds its fog horn", "ship, foghorn, boat, harbour"),
    ("helicopter", "city", 6, machines.helicopter,
     "A helicopter flies overhead", "helicopter, rotor, aircraft"),
    ("aeroplane", "city", 7, machines.aeroplane,
     "A propeller aeroplane flies past", "airplane, aircraft, propeller"),
    ("fireworks", "city", 6, machines.fireworks,
     "Fireworks burst and crackle", "fireworks, rocket, explosion"),
    # Home
    ("alarm_clock", "home", 4, signals.alarm_clock, "An alarm clock beeps", "alarm, beep, clock"),
    ("clock_ticking", "home", 5, household.clock_ticking,
     "A clock is ticking", "clock, tick, tock"),
    ("doorbell", "home", 4, signals.doorbell,
     "A doorbell rings: ding-dong", "doorbell, ding, dong"),
    ("door_knock", "home", 3, household.door_knock,
     "Someone knocks on a wooden door", "knock, door, wood"),
    ("typing", "home", 5, household.typing,
     "Someone types on a computer keyboard", "typing, keyboard, computer"),
    ("vacuum_cleaner", "home", 5, household.vacuum_cleaner,
     "A vacuum cleaner is running", "vacuum cleaner, hoover, motor"),
    ("ventilation", "home", 5, household.ventilation,
     "A ventilator hums", "fan, air conditioning, hum"),
    ("glass_breaking", "home", 3, household.glass_breaking,
     "Glass breaks and shatters", "glass, break, shatter, smash"),
    ("frying", "home", 5, household.frying,
     "Food sizzles in a frying pan", "frying, sizzle, cooking"),
    ("pouring", "home", 4, water.pouring, "Water is poured into a glass", "pour, water, fill"),
    ("telephone", "home", 5, signals.telephone, "An old telephone rings", "phone, ringing, bell"),
    ("smoke_alarm", "home", 4, signals.smoke_alarm,
     "A smoke alarm beeps", "smoke detector, alarm, beep"),
    # Tools
    ("sawing", "tools", 5, household.sawing, "Someone saws wood by hand", "saw, sawing, wood"),
    ("hammer", "tools", 4, household.hammer,
     "A hammer drives in a nail", "hammer, nail, hammering"),
    ("drill", "tools", 5, machines.drill,
     "An electric drill bores into a wall", "drill, power tool"),
    ("chainsaw", "tools", 5, machines.chainsaw, "A chainsaw cuts wood", "chainsaw, saw, motor"),
    ("steam", "tools", 5, water.steam, "Steam hisses out of a valve", "steam, hiss, valve"),
    # People
    ("footsteps", "people", 5, people.footsteps,
     "Someone walks across a hard floor", "footsteps, walking"),
    ("running", "people", 4, people.running,
     "Someone runs on gravel", "running, footsteps, gravel"),
    ("clapping", "people", 4, people.clapping, "One person claps their hands", "clapping, hands"),
    ("applause", "people", 5, people.applause,
     "An audience applauds", "applause, audience, clapping"),
    ("crowd", "people", 6, people.crowd, "A crowd of people talks", "crowd, chatter, voices"),
    ("whistling", "people", 5, people.whistling, "A person whistles a tune", "whistling, tune"),
    ("heartbeat", "people", 5, people.heartbeat,
     "A heart beats steadily", "heart, heartbeat, pulse"),
    ("snoring", "people", 7, people.snoring, "A person snores", "snore, snoring, sleep"),
    # Music
    ("church_bell", "music", 7, music.church_bell, "A church bell tolls", "bell, church, toll"),
    ("drums", "music", 5, music.drums, "A drum kit plays a rock beat", "drums, beat, rhythm"),
    ("piano", "music", 5, music.piano,
     "A piano plays chords and a melody", "piano, keyboard, music"),
    ("guitar", "music", 5, music.guitar, "An acoustic guitar is plucked", "guitar, strings, music"),
    ("flute", "music", 5, music.flute, "A flute plays a slow tune", "flute, melody, music"),
    ("music_box", "music", 5, music.music_box,
     "A music box plays a tune", "music box, chime, lullaby"),
    ("strings", "music", 6, music.strings,
     "Bowed strings hold slow chords", "violin, strings, orchestra"),
    # Effects
    ("gunshot", "effects", 4, machines.gunshot, "Gun shots echo outdoors", "gun, shot, gunfire"),
    ("laser_zap", "effects", 3, signals.laser_zap,
     "A laser zaps in a video game", "laser, zap, game, arcade"),
    ("radar_ping", "effects", 5, signals.radar_ping,
     "A submarine's sonar pings", "sonar, ping, submarine"),
    ("static", "effects", 4, signals.static,
     "White noise from an untuned radio", "static, noise, radio"),
    ("dial_tone", "effects", 4, signals.dial_tone,
     "The dial tone of a telephone line", "dial tone, telephone"),
    ("busy_tone", "effects", 4, signals.busy_tone,
     "The busy signal of a telephone line", "busy signal, telephone"),
)
# fmt: on
