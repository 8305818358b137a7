"""Checks a catalogue before any film is decoded."""

from collections.abc import Sequence

from cinegrain.pipeline.learning.train import learnable_genres
from cinegrain.training.split import check_titles
from cinegrain.types import Trailer


def check_films(trailers: Sequence[Trailer]) -> None:
    """Raises if no genre model can be trained on the films.

    Raises:
        DataError: If fewer than two genres have enough films, or too few titles have any of these genres.
    """
    genres = set(learnable_genres(trailers)[0])
    check_titles([trailer.title for trailer in trailers if not genres.isdisjoint(trailer.genres)])
