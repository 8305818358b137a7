"""Embeds new films in worker processes, with a run's settings. Needs no PyTorch."""

from collections.abc import Sequence

from cinegrain.config import Settings, load_settings
from cinegrain.errors import ConfigError
from cinegrain.experts.runtime import Runtime
from cinegrain.media.remote import source_text
from cinegrain.pipeline.extraction.embed import Job
from cinegrain.pipeline.extraction.jobs import WorkerSetup
from cinegrain.pipeline.extraction.workers import WorkerPool, embedding_pool
from cinegrain.runs.artifacts import read_json
from cinegrain.runs.layout import Run
from cinegrain.store.reader import EmbeddingDataset
from cinegrain.store.schema import EmbeddedTrailer
from cinegrain.types import Source
from cinegrain.urls import cache_folder

_MODEL_CARD = "model.json"


def film_workers(
    run: Run, n_films: int, *, settings: Settings | None = None, experts: Sequence[str] | None = None
) -> WorkerPool[EmbeddedTrailer]:
    """Workers that embed new films for a run; a single film gets all processors.

    Args:
        run: The run.
        n_films: Number of films; limits the number of workers, as does extract.workers.
        settings: The run's settings, if loaded already.
        experts: Experts; by default those of the genre model.

    Raises:
        ConfigError: If the run was made from vectors computed elsewhere, or by an earlier version.
        StoreError: If the run has no genre model.
    """
    settings = settings or load_settings(run.settings)
    names = model_experts(run) if experts is None else tuple(experts)
    _check_films_can_be_read(run, names)
    return embedding_pool(setup_for(settings, names, n_films), workers=_n_workers(settings, n_films))


def setup_for(settings: Settings, experts: Sequence[str], n_films: int) -> WorkerSetup:
    """Setup of workers for so many films."""
    extract = settings.extract
    runtime = Runtime.of(extract, threads=max(1, extract.n_workers // _n_workers(settings, n_films)))
    return WorkerSetup(tuple(experts), settings.media, cache_folder(), runtime, extract.download_limit_bytes)


def model_experts(run: Run) -> tuple[str, ...]:
    """Experts of a run's genre model.

    Raises:
        StoreError: If there is no genre model.
    """
    return tuple(read_json(run.coarse / _MODEL_CARD).get("spec", {}).get("dimensions", {}))


def new_job(place: Source) -> Job:
    """Job for a new film, named by its path or URL."""
    return Job(source_text(place), place)


def _n_workers(settings: Settings, n_films: int) -> int:
    return max(1, min(settings.extract.n_workers, n_films))


def _check_films_can_be_read(run: Run, experts: Sequence[str]) -> None:
    dataset = EmbeddingDataset(run.dataset)
    if any(expert.name in experts and expert.needs == "vectors" for expert in dataset.experts):
        raise ConfigError(
            "This run was made from vectors computed elsewhere, which cannot be computed from a video here. Use films "
            "of the run (`cinegrain predict RUN ID`), or make a run from videos, or one that includes the new vectors."
        )
    if dataset.info.is_outdated:
        raise ConfigError(
            f"The vectors of {run.folder} were computed by an earlier version of Cinegrain, which read pauses and "
            "black bars differently, so new films cannot be compared with them. Run the command that made the run "
            "again (`cinegrain run VIDEOS --catalog FILMS --out RUN`); it computes vectors and models again."
        )
