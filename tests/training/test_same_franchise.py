from pathlib import Path

import numpy as np
import pytest

from cinegrain.training.same_franchise import franchises, same
from cinegrain.types import Trailer


def film(title: str, **text: str) -> Trailer:
    return Trailer(title, Path("x"), title, text=text)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("Alien", "Alien 3"),
        ("The Night Train", "Night Train II"),
        ("Space Saga: Dawn", "Space Saga: Dusk"),
        ("Road Fury", "Road Fury - The Return"),
        ("Ghosts", "Ghosts Part Two"),
    ],
)
def test_sequels_are_kin(a: str, b: str) -> None:
    first, second = franchises([film(a), film(b)])
    assert first == second


@pytest.mark.parametrize(("a", "b"), [("Alien", "Aladdin"), ("1917", "2012"), ("Se7en", "Seven"), ("Rocky", "Rocket")])
def test_others_are_not(a: str, b: str) -> None:
    first, second = franchises([film(a), film(b)])
    assert first != second


def test_a_catalogue_column_has_the_first_word() -> None:
    numbers = franchises([film("Dawn", franchise="Saga"), film("Dusk", franchise="saga "), film("Dawn")])
    assert numbers[0] == numbers[1] != numbers[2]
    np.testing.assert_array_equal(same(numbers), [[True, True, False], [True, True, False], [False, False, True]])
