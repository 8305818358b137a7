"""An answer about a file, made by hand."""

from pathlib import Path

from cinegrain.media.files import path_text
from cinegrain.results import GenreAnswer, Prediction


def some_answer(path: Path, *genres: GenreAnswer, title: str = "", model: str = "m") -> Prediction:
    """Sure, without audio, made from the file as it is now."""
    status = path.stat()
    return Prediction(
        path=path_text(path),
        title=title,
        duration_s=1.0,
        n_scenes=1,
        flags=(),
        sure=True,
        unsure_because=(),
        strangeness=None,
        genres=genres,
        missing=("audio",),
        size_bytes=status.st_size,
        modified_ns=status.st_mtime_ns,
        model=model,
    )


def some_genre(name: str, probability: float, *, decided: bool) -> GenreAnswer:
    """Nothing has an influence on it."""
    return GenreAnswer(name, probability, decided, {})
