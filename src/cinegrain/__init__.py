"""Cinegrain: finds fine-grained sub-genres of films from their trailers.

    import cinegrain as cg

    run = cg.fit("videos/", catalog="films.csv", out="runs/mine")
    run = cg.open("runs/mine")
    run.predict("new.mp4").genres[0].name

Names are imported on first use. `docs/api.md` has an example of each.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cinegrain.embedding import Dataset, FilmEmbedding, embed, open_dataset
    from cinegrain.errors import CinegrainError
    from cinegrain.results import Failure, Prediction
    from cinegrain.run import FittedRun, Model, fit, load_model
    from cinegrain.run import open_run as open  # noqa: A004 (always used as cg.open)

__version__ = "0.1.0"
__all__ = [
    "CinegrainError",
    "Dataset",
    "Failure",
    "FilmEmbedding",
    "FittedRun",
    "Model",
    "Prediction",
    "embed",
    "fit",
    "load_model",
    "open",
    "open_dataset",
]
_WHERE = {
    "cinegrain.embedding": ("Dataset", "FilmEmbedding", "embed", "open_dataset"),
    "cinegrain.errors": ("CinegrainError",),
    "cinegrain.results": ("Failure", "Prediction"),
    "cinegrain.run": ("FittedRun", "Model", "fit", "load_model", "open"),
}


if not TYPE_CHECKING:  # otherwise every misspelt name would be accepted

    def __getattr__(name: str) -> Any:
        for module, names in _WHERE.items():
            if name in names:
                found = getattr(import_module(module), "open_run" if name == "open" else name)
                globals()[name] = found
                return found
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
