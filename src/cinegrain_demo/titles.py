"""Invented film titles. They are drawn without regard to the film, so they can reveal nothing about it."""

from itertools import product

import numpy as np

_ADJECTIVES = (
    "Last", "Borrowed", "Second", "Paper", "Hollow", "Unwritten", "Crooked", "Gentle", "Velvet", "Thirteenth",
    "Quiet", "Broken", "Golden", "Patient", "Forgotten", "Restless", "Careful", "Northern", "Perfect", "Sleeping",
)  # fmt: skip
_NOUNS = (
    "Letter", "Promise", "Inheritance", "Lantern", "Alibi", "Orchard", "Mirror", "Anthem", "Compass", "Clockmaker",
    "Daughter", "Witness", "Bargain", "Arrival", "Stranger", "Verdict", "Rehearsal", "Signal", "Portrait", "Debt",
)  # fmt: skip
_PEOPLE = (
    "Marta", "Elias", "Ingrid", "Tomas", "Odile", "Ruben", "Hana", "Silas", "Noor", "Casimir",
    "Lucia", "Anselm", "Yuki", "Dorian", "Petra", "Amari",
)  # fmt: skip


def _every_title() -> list[str]:
    titles = [f"The {adjective} {noun}" for adjective, noun in product(_ADJECTIVES, _NOUNS)]
    titles += [f"{noun} for {person}" for noun, person in product(_NOUNS, _PEOPLE)]
    titles += [f"{person} and the {noun}" for person, noun in product(_PEOPLE, _NOUNS)]
    titles += [f"What {person} Kept" for person in _PEOPLE] + [f"Before {person}" for person in _PEOPLE]
    return titles


MAX_TITLES = len(_every_title())


def draw_titles(rng: np.random.Generator, n_titles: int) -> list[str]:
    """Distinct titles in random order; n_titles <= MAX_TITLES."""
    titles = _every_title()
    return [titles[i] for i in rng.permutation(len(titles))[:n_titles]]
