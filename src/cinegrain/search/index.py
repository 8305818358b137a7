"""Graphs of near neighbours (HNSW, by faiss) for corpora that are too large to be compared with one by one.

One graph holds each trailer's experts side by side, unit vectors, projected to the directions that hold most of them
and kept in 8 bits a number; besides, each expert has a graph of its own, since neighbours in all experts together lead
badly to neighbours in one. A query with any weights is projected the same way and gives candidates, whose scores are
then computed exactly.
"""

from collections.abc import Collection, Mapping, Set
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.utils.extmath import randomized_svd

from cinegrain.errors import ConfigError
from cinegrain.search.spaces import ExpertSpace, Part
from cinegrain.types import Float32, Int64

_SAMPLE = 8192  # trailers that the projection is found on
_BLOCK = 4096
_HEAVY = 0.5  # share of the weight from which an expert's own graph is asked too


@dataclass(frozen=True)
class GraphSettings:
    """How a graph is built and asked.

    Attributes:
        dimension: Numbers a trailer at most, in the graph of all experts.
        own_dimension: The same in each expert's own graph.
        links: Neighbours a trailer (HNSW's M).
        build_breadth: Candidates looked at for each of them (efConstruction).
        breadth: Candidates looked at for a query (efSearch); all of them are then scored exactly.
    """

    dimension: int = 128
    own_dimension: int = 64
    links: int = 16
    build_breadth: int = 40
    breadth: int = 2000


DEFAULT_GRAPH = GraphSettings()
ALL, WHOLE = "all", "whole"


class SearchGraph:
    """One graph over some experts of those trailers that any of them has something for."""

    def __init__(self, index: Any, trailers: Int64, projection: Mapping[str, Float32]) -> None:
        """Puts the parts together; use `build` or `load`.

        Args:
            index: Of faiss.
            trailers: Number of each item in it.
            projection: By expert, shape (d_e, dimension).
        """
        self._index, self._trailers, self._projection = index, trailers, projection

    @classmethod
    def build(
        cls, spaces: Mapping[str, ExpertSpace], settings: GraphSettings = DEFAULT_GRAPH, *, seed: int = 0
    ) -> "SearchGraph":
        """Builds the graph; memory holds its own numbers and one block of vectors.

        Args:
            spaces: By expert, all of the same n trailers.
            settings: How.
            seed: Of the sample that the projection is found on.

        Raises:
            ConfigError: If faiss is missing.
        """
        faiss = load_faiss()
        trailers = np.flatnonzero(np.any([space.row >= 0 for space in spaces.values()], axis=0))
        sample = np.sort(np.random.default_rng(seed).permutation(trailers)[:_SAMPLE])
        rows = _side_by_side(spaces, sample)
        projection = _main_directions(rows, settings.dimension, seed)
        kind = faiss.ScalarQuantizer.QT_8bit
        index = faiss.IndexHNSWSQ(projection.shape[1], kind, settings.links, faiss.METRIC_INNER_PRODUCT)
        index.hnsw.efConstruction = settings.build_breadth
        index.train(rows @ projection)
        for start in range(0, len(trailers), _BLOCK):
            index.add(_side_by_side(spaces, trailers[start : start + _BLOCK]) @ projection)
        ends = np.cumsum([space.vectors.shape[1] for space in spaces.values()])
        return cls(index, trailers, dict(zip(spaces, np.split(projection, ends[:-1]), strict=True)))

    @property
    def spaces(self) -> Set[str]:
        """Names of the spaces that the graph holds."""
        return self._projection.keys()

    def candidates(self, query: Mapping[str, Part], breadth: int) -> Int64:
        """Trailers among which the best for a query are likely to be, in no order.

        Args:
            query: By expert; those that this graph does not hold play no part.
            breadth: How many are looked at.
        """
        projected = np.zeros(self._index.d, np.float32)
        for name in query.keys() & self._projection.keys():
            projected += np.float32(query[name].weight) * (query[name].direction @ self._projection[name])
        parameters = load_faiss().SearchParametersHNSW(efSearch=breadth)
        _, found = self._index.search(projected[None], breadth, params=parameters)
        return np.asarray(self._trailers[found[0][found[0] >= 0]], np.int64)

    def save(self, path: Path) -> None:
        """Writes PATH.faiss and PATH.npz."""
        load_faiss().write_index(self._index, f"{path}.faiss")
        arrays: dict[str, Any] = {"trailers": self._trailers, **self._projection}
        np.savez(f"{path}.npz", **arrays)

    @classmethod
    def load(cls, path: Path) -> "SearchGraph":
        """Reads what `save` wrote; only from a place that nobody else can write to, for faiss trusts its files."""
        with np.load(f"{path}.npz", allow_pickle=False) as arrays:
            projection = {name: arrays[name] for name in arrays.files if name != "trailers"}
            return cls(load_faiss().read_index(f"{path}.faiss"), arrays["trailers"], projection)


class SearchGraphs:
    """A graph over all experts, one for each, and perhaps one over more than the experts."""

    def __init__(self, graphs: Mapping[str, SearchGraph], settings: GraphSettings = DEFAULT_GRAPH) -> None:
        """Puts the graphs together: by expert, that of all under the name ALL, and WHOLE if some are in no other."""
        self._graphs, self._settings = graphs, settings

    @classmethod
    def build(
        cls,
        spaces: Mapping[str, ExpertSpace],
        settings: GraphSettings = DEFAULT_GRAPH,
        *,
        together_only: Collection[str] = (),
    ) -> "SearchGraphs":
        """Builds them one after the other, each as `SearchGraph.build` does.

        Args:
            spaces: By expert, all of the same n trailers.
            settings: How.
            together_only: Spaces in which so many trailers lie in one point that neighbours lead nowhere. They get no
                graph of their own, and one more graph holds them beside all others, for queries that name them: in it
                neighbours are others than without them.
        """
        own = replace(settings, dimension=settings.own_dimension)
        alone = {name: space for name, space in spaces.items() if name not in together_only}
        each = {name: SearchGraph.build({name: space}, own) for name, space in alone.items()}
        whole = {WHOLE: SearchGraph.build(spaces, settings)} if together_only else {}
        return cls({**each, ALL: SearchGraph.build(alone, settings), **whole}, settings)

    def save(self, folder: Path) -> None:
        """Writes all of them into a folder."""
        for name, graph in self._graphs.items():
            graph.save(folder / name)

    @classmethod
    def load(cls, folder: Path, settings: GraphSettings = DEFAULT_GRAPH) -> "SearchGraphs":
        """Reads what `save` wrote; only from a place that nobody else can write to."""
        return cls(
            {
                path.name.removesuffix(".npz"): SearchGraph.load(path.with_name(path.name.removesuffix(".npz")))
                for path in folder.glob("*.npz")
            },
            settings,
        )

    def candidates(self, query: Mapping[str, Part]) -> Int64:
        """Trailers among which the best for a query are likely to be, each once, in order of their numbers."""
        whole = sum(part.weight for part in query.values())
        asked = [name for name, part in query.items() if part.weight > _HEAVY * whole and name in self._graphs]
        joint = ALL if query.keys() <= self._graphs[ALL].spaces else WHOLE
        asked += [joint] if len(query) > 1 or not asked else []
        found = [self._graphs[name].candidates(query, self._settings.breadth) for name in asked]
        return np.unique(np.concatenate(found))


def load_faiss() -> Any:
    """The library.

    Raises:
        ConfigError: If it is not installed.
    """
    try:
        import faiss
    except ImportError as error:
        raise ConfigError("An index for search needs one more package: pip install 'cinegrain[search]'.") from error
    return faiss


def _side_by_side(spaces: Mapping[str, ExpertSpace], trailers: Int64) -> Float32:
    """Unit vectors of all experts, shape (b, D); zeros where an expert has nothing."""
    return np.concatenate([space.directions(trailers) for space in spaces.values()], axis=1)


def _main_directions(rows: Float32, dimension: int, seed: int) -> Float32:
    """The directions that keep most of the rows' inner products, as columns; shape (D, dimension)."""
    if min(rows.shape) <= dimension:
        return np.eye(rows.shape[1], dtype=np.float32)
    return np.asarray(randomized_svd(rows, dimension, random_state=seed)[2].T, np.float32, order="C")
