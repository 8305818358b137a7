"""Python API of vectors: embeds files, and reads datasets."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from html import escape
from pathlib import Path
from typing import Any, overload

import numpy as np
import pyarrow as pa

from cinegrain.atlas.film_names import FilmNames
from cinegrain.config import load_settings
from cinegrain.errors import ConfigError
from cinegrain.experts.registry import expert_cards, resolve_experts
from cinegrain.media.files import path_text
from cinegrain.media.remote import films_at, source, source_name, source_text
from cinegrain.pipeline.answers.film_workers import new_job, setup_for
from cinegrain.pipeline.datasets.dataset import Opened, summarise
from cinegrain.pipeline.datasets.dataset import open_dataset as open_url
from cinegrain.pipeline.extraction.embed import cut_weights
from cinegrain.pipeline.extraction.extract import install_weights
from cinegrain.pipeline.extraction.jobs import Failed
from cinegrain.pipeline.extraction.workers import embedding_pool
from cinegrain.results import Failure, html_table
from cinegrain.store.location import dataset_url
from cinegrain.store.reader import SceneVectors
from cinegrain.store.schema import SCENES, EmbeddedTrailer, StoredExpert
from cinegrain.terminal import watching
from cinegrain.types import Concept, Float32, Float64, JsonObject, Source
from cinegrain.urls import is_address

Films = str | Path | Iterable[str | Path]


@dataclass(frozen=True, eq=False)
class FilmEmbedding:
    """Embeddings of a film of s scenes.

    Attributes:
        path: File or URL.
        duration_s: Duration.
        start_s: Start of each scene in seconds, shape (s,).
        end_s: End of each scene, exclusive, shape (s,).
        vectors: By expert, shape (s, d), float32; a row of NaN if the scene lacks what the expert needs.
        concepts: By expert, concepts of each scene, best first; length s.
    """

    path: str
    duration_s: float
    start_s: Float64 = field(repr=False)
    end_s: Float64 = field(repr=False)
    vectors: Mapping[str, Float32] = field(repr=False)
    concepts: Mapping[str, Sequence[Sequence[Concept]]] = field(repr=False)

    def mean(self, expert: str) -> Float32:
        """Mean vector over the scenes that the expert could embed, shape (d,); NaN if there are none.

        Raises:
            KeyError: If there is no such expert.
        """
        rows = self.vectors[expert]
        there = rows[~np.isnan(rows).any(axis=1)]
        return there.mean(axis=0) if len(there) else np.full(rows.shape[1], np.nan, np.float32)

    def to_dict(self) -> JsonObject:
        """`path`, `duration_s`, and `scenes` with times and concepts, without vectors."""
        scenes = [
            {
                "start_s": float(self.start_s[i]),
                "end_s": float(self.end_s[i]),
                "concepts": {
                    expert: [{"name": c.name, "score": c.score} for c in column[i]]
                    for expert, column in self.concepts.items()
                },
            }
            for i in range(len(self.start_s))
        ]
        return {"path": self.path, "duration_s": self.duration_s, "scenes": scenes}

    def _repr_html_(self) -> str:
        rows = [(expert, str(vectors.shape)) for expert, vectors in self.vectors.items()]
        return f"<p>{escape(self.path)}, {self.duration_s:.1f} s</p>{html_table(rows, ('expert', 'vectors'))}"


@overload
def embed(  # type: ignore[overload-overlap]  # a text is one film, not its letters
    films: str | Path, *, experts: str = ..., settings: Mapping[str, Any] | None = ..., progress: bool = ...
) -> FilmEmbedding: ...


@overload
def embed(
    films: Iterable[str | Path], *, experts: str = ..., settings: Mapping[str, Any] | None = ..., progress: bool = ...
) -> Iterator[FilmEmbedding | Failure]: ...


def embed(
    films: Films, *, experts: str = "light", settings: Mapping[str, Any] | None = None, progress: bool = True
) -> FilmEmbedding | Iterator[FilmEmbedding | Failure]:
    """Cuts films into scenes and embeds them with pretrained networks; needs no run.

    Args:
        films: A file or URL; or several files, URLs and folders of videos.
        experts: A preset (light, paper, strong), or names separated by commas; see `cinegrain experts list`.
        settings: Values by dotted key, for example {"media.max_scene_s": 20}; see `cinegrain settings`.
        progress: Show a progress bar on stderr.

    Returns:
        The embedding of one film; for several, an iterator of embeddings in any order, with a Failure for each film
        that cannot be read.

    Raises:
        MediaError: If a single film cannot be read.
        ConfigError: If an expert or setting is unknown.
        WeightsError: If pretrained weights cannot be downloaded.
    """
    found = resolve_experts(experts)
    chosen = load_settings(flags={**(settings or {}), "extract.experts": experts})
    install_weights(found, watching(progress), also=cut_weights(chosen.media))
    dimensions = {name: expert_cards()[name].dimension for name in found}
    if isinstance(films, str | Path):
        place = source(film_text(films))
        with embedding_pool(setup_for(chosen, found, 1), workers=1) as workers:
            return _embedding(workers.one(new_job(place)), dimensions)
    places = places_of(films)

    def each() -> Iterator[FilmEmbedding | Failure]:
        n_workers = min(chosen.extract.n_workers, len(places))
        with (
            embedding_pool(setup_for(chosen, found, len(places)), workers=n_workers) as workers,
            watching(progress).stage("Embedding films") as on_step,
        ):
            for done, outcome in enumerate(workers.each([new_job(place) for place in places]), start=1):
                on_step(done, len(places), source_name(source(outcome.trailer_id)))
                if isinstance(outcome, Failed):
                    yield Failure(source_text(outcome.job.path), outcome.reason)
                else:
                    yield _embedding(outcome, dimensions)

    return each()


def film_text(film: str | Path) -> str:
    """A path or URL as text for `source`."""
    return path_text(film) if isinstance(film, Path) else film


def places_of(films: Iterable[str | Path]) -> list[Source]:
    """Several films, and the films of folders, each once.

    Raises:
        ConfigError: If there are none.
    """
    texts = [film_text(film) for film in films]
    places = films_at(texts)
    if not places:
        raise ConfigError(f"No videos in {', '.join(texts) or 'an empty list'}.")
    return places


def _embedding(found: EmbeddedTrailer, dimensions: Mapping[str, int]) -> FilmEmbedding:
    vectors = {}
    for name, column in found.embeddings.items():
        vectors[name] = np.full((len(column), dimensions[name]), np.nan, np.float32)
        for row, scene in zip(vectors[name], column, strict=True):
            if scene is not None:
                row[:] = scene.vector
    concepts = {
        name: [() if scene is None else scene.concepts for scene in column] for name, column in found.embeddings.items()
    }
    times = np.array([(scene.start_s, scene.end_s) for scene in found.scenes], np.float64).reshape(-1, 2)
    record = found.record
    return FilmEmbedding(record.path, record.duration_s, times[:, 0], times[:, 1], vectors, concepts)


class Dataset:
    """An embedding dataset, read-only: vectors as NumPy arrays, everything else as Arrow tables."""

    def __init__(self, opened: Opened) -> None:
        self._opened = opened

    @property
    def experts(self) -> dict[str, StoredExpert]:
        """Card of each expert by name: `modality`, `dimension`, `licence` and so on."""
        return {expert.name: expert for expert in self._opened.dataset.experts}

    @cached_property
    def films(self) -> pa.Table:
        """One row per film: `trailer_id`, `title`, `year`, `genres`, `path`, `duration_s`, `n_scenes`, `flags`."""
        rows = []
        for record in self._opened.dataset.trailers:
            film = self._opened.films.get(record.trailer_id)
            rows.append(
                {
                    "trailer_id": record.trailer_id,
                    "title": film.title if film else record.trailer_id,
                    "year": film.year if film else None,
                    "genres": list(film.genres) if film else [],
                    **{name: getattr(record, name) for name in ("path", "duration_s", "n_scenes")},
                    "flags": list(record.flags),
                }
            )
        return pa.Table.from_pylist(rows, schema=_FILMS)

    @property
    def scenes(self) -> pa.Table:
        """One row per scene: `trailer_id`, `scene`, `start_s`, `end_s`."""
        columns = ["trailer_id", "scene", "start_s", "end_s"]
        return self._opened.dataset.table(SCENES).to_table(columns=columns)

    def vectors(self, expert: str, films: Sequence[str] | None = None) -> SceneVectors:
        """An expert's vectors of scenes.

        Args:
            expert: Its name.
            films: Films by id or title; by default all, in the order of `films`.

        Returns:
            `vectors`, shape (r, d), float16, grouped by film; `scenes`, shape (r,), the scene of each row; `offsets`,
            shape (n + 1,): rows of film i are offsets[i]:offsets[i + 1].

        Raises:
            StoreError: If there is no such expert.
            NotFoundError: If there is no such film.
        """
        ids = self.films["trailer_id"].to_pylist()
        names = FilmNames(ids, self.films["title"].to_pylist())
        return self._opened.dataset.vectors(expert, ids if films is None else [ids[names.row(film)] for film in films])

    def to_dict(self) -> JsonObject:
        """Summary: numbers of films, hours, scenes and bytes, genres, flags and experts."""
        return asdict(summarise(self._opened))

    def __len__(self) -> int:
        return len(self._opened.dataset.trailers)

    def __repr__(self) -> str:
        return f"<dataset of {len(self)} films, experts {', '.join(self.experts)}>"

    def _repr_html_(self) -> str:
        return f"<p>{len(self)} films; experts: {escape(', '.join(self.experts))}</p>"


_FILMS = pa.schema(
    [
        ("trailer_id", pa.string()),
        ("title", pa.string()),
        ("year", pa.int32()),
        ("genres", pa.list_(pa.string())),
        ("path", pa.string()),
        ("duration_s", pa.float64()),
        ("n_scenes", pa.int32()),
        ("flags", pa.list_(pa.string())),
    ]
)


def open_dataset(place: str | Path) -> Dataset:
    """Opens an embedding dataset.

    Args:
        place: A run folder, a dataset folder, or a URL such as s3://bucket/dataset.

    Raises:
        StoreError: If there is no dataset, or it is damaged.
    """
    text = str(place)
    return Dataset(open_url(dataset_url(text) if is_address(text) else Path(text)))
