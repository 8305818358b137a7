"""The planted truth: six genres, sixteen sub-genres, and the three inventories that they are made of."""

from collections.abc import Mapping
from dataclasses import dataclass, field

GENRES = ("Action", "Comedy", "Documentary", "Horror", "Romance", "Science Fiction")
SETTINGS = ("city", "desert", "forest", "interior", "ocean", "snow", "space")
MOTIONS = ("glide", "handheld", "rush", "tripod", "whip")
SOUNDS = ("crowd", "dread", "gunfire", "melody", "nature", "synth")


@dataclass(frozen=True)
class Subgenre:
    """One planted sub-genre: what it looks like, how it moves, how it sounds, and which labels it gets.

    Attributes:
        name: Its name in `truth.csv`.
        home: The genre that every film of it carries.
        setting: One of SETTINGS.
        motion: One of MOTIONS; it also decides the cutting rhythm.
        sound: One of SOUNDS.
        others: Chance of each further genre label; a film gets at most two of them.
    """

    name: str
    home: str
    setting: str
    motion: str
    sound: str
    others: Mapping[str, float] = field(default_factory=dict)


# Every setting, motion and sound belongs to at least two sub-genres, so that no single mode tells them all
# apart. Several pairs differ in one mode only: pursuit and dust raid (setting), watching woods and hunted
# (motion), voyage and derelict (sound), all within one genre; and road trip and dust raid, wild wood and
# watching woods, open water and seaside love, across genres.
SUBGENRES = (
    Subgenre("street pursuit", "Action", "city", "whip", "gunfire", {"Science Fiction": 0.3, "Comedy": 0.2}),
    Subgenre("dust raid", "Action", "desert", "whip", "gunfire", {"Horror": 0.15, "Comedy": 0.25}),
    Subgenre("alpine assault", "Action", "snow", "rush", "gunfire", {"Romance": 0.2, "Horror": 0.3}),
    Subgenre("road trip", "Comedy", "desert", "whip", "melody", {"Romance": 0.5, "Action": 0.2}),
    Subgenre("full house", "Comedy", "interior", "handheld", "crowd", {"Romance": 0.45, "Horror": 0.1}),
    Subgenre("wild wood", "Documentary", "forest", "tripod", "nature", {"Romance": 0.15, "Horror": 0.15}),
    Subgenre("open water", "Documentary", "ocean", "glide", "nature", {"Action": 0.2, "Romance": 0.25}),
    Subgenre("street voices", "Documentary", "city", "handheld", "crowd", {"Comedy": 0.4, "Action": 0.15}),
    Subgenre("watching woods", "Horror", "forest", "tripod", "dread", {"Documentary": 0.2, "Romance": 0.2}),
    Subgenre("hunted", "Horror", "forest", "handheld", "dread", {"Action": 0.45, "Documentary": 0.15}),
    Subgenre("cursed rooms", "Horror", "interior", "glide", "dread", {"Romance": 0.3, "Comedy": 0.2}),
    Subgenre("seaside love", "Romance", "ocean", "glide", "melody", {"Comedy": 0.4, "Documentary": 0.1}),
    Subgenre("winter vows", "Romance", "snow", "tripod", "melody", {"Comedy": 0.35, "Documentary": 0.2}),
    Subgenre("voyage", "Science Fiction", "space", "glide", "synth", {"Documentary": 0.4, "Romance": 0.2}),
    Subgenre("derelict", "Science Fiction", "space", "glide", "dread", {"Horror": 0.65, "Action": 0.1}),
    Subgenre("neon grid", "Science Fiction", "city", "rush", "synth", {"Action": 0.6, "Horror": 0.1}),
)
