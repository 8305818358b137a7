"""Films never seen, looked at and listened to in guarded workers, as a run's own films were. Needs no PyTorch."""

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
    """Workers that embed new films for a run; a single film has all processors for its networks.

    Args:
        run: Its dataset says how films were read.
        n_films: How many will be read at a time; there are never more workers, or more than extract.workers.
        settings: The run's, if they are loaded already.
        experts: Those of its genre model unless others are named.

    Raises:
        ConfigError: If the run was made from vectors computed elsewhere, or by an earlier version.
        StoreError: If the run has no genre model.
    """
    settings = settings or load_settings(run.settings)
    names = model_experts(run) if experts is None else tuple(experts)
    _check_films_can_be_read(run, names)
    return embedding_pool(setup_for(settings, names, n_films), workers=_n_workers(settings, n_films))


def setup_for(settings: Settings, experts: Sequence[str], n_films: int) -> WorkerSetup:
    """What the workers load that read so many films at a time."""
    extract = settings.extract
    runtime = Runtime.of(extract, threads=max(1, extract.n_workers // _n_workers(settings, n_films)))
    return WorkerSetup(tuple(experts), settings.media, cache_folder(), runtime, extract.download_limit_bytes)


def model_experts(run: Run) -> tuple[str, ...]:
    """The experts whose vectors a run's genre model takes.

    Raises:
        StoreError: If it has none.
    """
    return tuple(read_json(run.coarse / _MODEL_CARD).get("spec", {}).get("dimensions", {}))


def new_job(place: Source) -> Job:
    """A film never seen; where it lies is its name."""
    return Job(source_text(place), place)


def _n_workers(settings: Settings, n_films: int) -> int:
    return max(1, min(settings.extract.n_workers, n_films))


def _check_films_can_be_read(run: Run, experts: Sequence[str]) -> None:
    dataset = EmbeddingDataset(run.dataset)
    if any(expert.name in experts and expert.needs == "vectors" for expert in dataset.experts):
        raise ConfigError(
            "This run was made from vectors computed elsewhere, so nothing here can make them from a video. Ask "
            "about the run's own films with `cinegrain predict RUN ID`; for new films make a run from videos, or one "
            "with the new films' vectors beside the old ones."
        )
    if dataset.info.is_outdated:
        raise ConfigError(
            f"The vectors of {run.folder} were made by an earlier version of Cinegrain, which heard pauses and saw "
            "black bars; a film read now cannot be compared with them. Give the command that made the run again "
            "(`cinegrain run VIDEOS --catalog FILMS --out RUN`): the vectors and the models are computed again."
        )
