"""By what films can be compared in a search: the modes, and the genres that the catalogue gives them."""

from cinegrain.types import MODALITIES

GENRES = "genres"
CRITERIA: tuple[str, ...] = (*MODALITIES, GENRES)
ALIKE: dict[str, float] = {**dict.fromkeys(MODALITIES, 1.0), GENRES: 0.5}
"""Weights of what is alike on the whole; that of genres was chosen on simulated films (ADR 22)."""
