"""In: corpus settings; out: short synthetic films, a catalogue and the planted truth. It knows no expert or model."""

from cinegrain.demo.corpus import CorpusFiles, render_corpus
from cinegrain.demo.inventory import GENRES, MOTIONS, SETTINGS, SOUNDS, SUBGENRES, Subgenre
from cinegrain.demo.plan import CorpusSettings, FilmPlan, plan_corpus
from cinegrain.demo.render import render_film

__all__ = [
    "GENRES",
    "MOTIONS",
    "SETTINGS",
    "SOUNDS",
    "SUBGENRES",
    "CorpusFiles",
    "CorpusSettings",
    "FilmPlan",
    "Subgenre",
    "plan_corpus",
    "render_corpus",
    "render_film",
]
