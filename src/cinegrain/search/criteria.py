"""Criteria of a search: the modalities, and the catalogue's genres."""

from cinegrain.types import MODALITIES

GENRES = "genres"
CRITERIA: tuple[str, ...] = (*MODALITIES, GENRES)
ALIKE: dict[str, float] = {**dict.fromkeys(MODALITIES, 1.0), GENRES: 0.5}
"""Default weights of overall similarity; that of genres was chosen on simulated films (ADR 22)."""
