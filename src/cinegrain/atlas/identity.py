"""Keeps the ids of sub-genres, and locked sub-genres, through a new discovery."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

from cinegrain.atlas.edits import subgenre_id, subgenre_number
from cinegrain.discovery.clustering import Clustering, ordered
from cinegrain.types import Float64, Int64

MIN_OVERLAP = 0.25
"""Minimum Jaccard overlap of films for a new sub-genre to get an old id."""
MIN_LIKENESS = 0.8
"""Minimum cosine of centres for the same, if they have no film in common."""
_CENTRES_COUNT = 0.1  # weight beside the overlap; decides between similar overlaps


@dataclass(frozen=True, eq=False)
class Known:
    """Sub-genres before a new discovery.

    Attributes:
        highest: Highest number used so far.
        found: Members of every discovered sub-genre, as last discovered.
        wanted: Members after edits.
        locked: Members of locked sub-genres.
        part_of: Target of each merged sub-genre.
        offspring: Sub-genres that were split off, by origin.
        centres: Old centres by id, unit rows; only if the embedding is the same.
    """

    highest: int
    found: Mapping[str, Sequence[str]]
    wanted: Mapping[str, Sequence[str]]
    locked: Mapping[str, Sequence[str]]
    part_of: Mapping[str, str]
    offspring: Mapping[str, Sequence[str]]
    centres: Mapping[str, Float64]


NOTHING_KNOWN = Known(0, {}, {}, {}, {}, {}, {})


@dataclass(frozen=True, eq=False)
class Carried:
    """A clustering with ids.

    Attributes:
        clustering: Row i of its centroids and label i belong to `ids[i]`.
        ids: Length k.
    """

    clustering: Clustering
    ids: tuple[str, ...]


def carry_over(points: Float64, clustering: Clustering, trailer_ids: Sequence[str], known: Known) -> Carried:
    """Gives a new clustering the old ids, and locked sub-genres their films.

    Old and new sub-genres are matched one to one to maximise the sum of overlaps (Jaccard over common films, with the
    discovered or the edited members, whichever is larger) and, with a small weight, cosines of centres (Hungarian
    method). Locked sub-genres keep exactly their films; other films go to the next nearest sub-genre. New films in a
    sub-genre that was split go to the nearest part.

    Args:
        points: Unit rows, shape (n, d).
        clustering: Clustering of these.
        trailer_ids: Length n.
        known: Sub-genres before.
    """
    row = {trailer: i for i, trailer in enumerate(trailer_ids)}
    old = {id_: _rows(members, row) for id_, members in known.found.items()}
    wanted = {id_: _rows(members, row) for id_, members in known.wanted.items()}
    pairs = _pair(points, clustering, old, wanted, known)
    ids, highest = [], known.highest
    for cluster in range(len(clustering.centroids)):
        if cluster not in pairs:
            highest += 1
        ids.append(pairs.get(cluster) or subgenre_id(highest))
    owner = np.array(ids, dtype=object)[clustering.labels]
    _to_parts(owner, points, known, wanted, seen=set().union(*known.found.values()), trailer_ids=trailer_ids)
    _keep_locked(owner, points, clustering, ids, known, row)
    return _carried(owner, points, clustering, ids)


def _rows(members: Sequence[str], row: Mapping[str, int]) -> Int64:
    return np.array([row[trailer] for trailer in members if trailer in row], dtype=np.int64)


def _pair(
    points: Float64, clustering: Clustering, old: Mapping[str, Int64], wanted: Mapping[str, Int64], known: Known
) -> dict[int, str]:
    """Old id of each matched new cluster."""
    names = sorted(set(old) | set(wanted), key=lambda id_: (subgenre_number(id_), id_))
    if not names:
        return {}
    seen = np.zeros(len(points), dtype=bool)
    for rows in (*old.values(), *wanted.values()):
        seen[rows] = True
    k = len(clustering.centroids)
    sizes = np.bincount(clustering.labels[seen], minlength=k)
    nothing = np.zeros(0, dtype=np.int64)
    overlap, likeness = np.zeros((len(names), k)), np.zeros((len(names), k))
    for i, name in enumerate(names):
        for rows in (old.get(name, nothing), wanted.get(name, nothing)):
            shared = np.bincount(clustering.labels[rows], minlength=k)
            overlap[i] = np.maximum(overlap[i], shared / np.maximum(sizes + len(rows) - shared, 1))
        rows = wanted.get(name, old.get(name, nothing))
        centre = _unit(points[rows].sum(axis=0)) if len(rows) else known.centres.get(name)
        if centre is not None:
            likeness[i] = clustering.centroids @ centre
    gone = np.array([not len(old.get(name, nothing)) and not len(wanted.get(name, nothing)) for name in names])
    good = (overlap >= MIN_OVERLAP) | (gone[:, None] & (likeness >= MIN_LIKENESS))
    score = np.where(good, 1 + overlap + _CENTRES_COUNT * likeness, 0.0)
    old_rows, clusters = linear_sum_assignment(score, maximize=True)
    return {int(c): names[r] for r, c in zip(old_rows, clusters, strict=True) if good[r, c]}


def _to_parts(
    owner: np.ndarray,
    points: Float64,
    known: Known,
    wanted: Mapping[str, Int64],
    *,
    seen: set[str],
    trailer_ids: Sequence[str],
) -> None:
    """Moves new films in a sub-genre that was split to the nearest part."""
    for source, parts in known.offspring.items():
        there = [part for part in (source, *parts) if len(wanted.get(part, ()))]
        inside = np.flatnonzero(owner == source)
        new = np.array([i for i in inside.tolist() if trailer_ids[i] not in seen], dtype=np.int64)
        if len(there) > 1 and len(new):
            centres = np.stack([_unit(points[wanted[part]].sum(axis=0)) for part in there])
            owner[new] = np.array(there, dtype=object)[(points[new] @ centres.T).argmax(axis=1)]


def _keep_locked(
    owner: np.ndarray,
    points: Float64,
    clustering: Clustering,
    ids: Sequence[str],
    known: Known,
    row: Mapping[str, int],
) -> None:
    """Moves films of locked sub-genres back, and others out of them to the nearest that is not locked."""

    def whole(id_: str) -> str:
        while id_ in known.part_of:
            id_ = known.part_of[id_]
        return id_

    kept = np.zeros(len(points), dtype=bool)
    for id_, members in known.locked.items():
        rows = _rows(members, row)
        kept[rows] = True
        owner[rows] = id_
    open_ = [c for c, id_ in enumerate(ids) if whole(id_) not in known.locked]
    astray = np.flatnonzero(~kept & np.array([whole(id_) in known.locked for id_ in owner], dtype=bool))
    if len(astray) and open_:
        nearest = (points[astray] @ clustering.centroids[open_].T).argmax(axis=1)
        owner[astray] = np.array([ids[c] for c in open_], dtype=object)[nearest]


def _carried(owner: np.ndarray, points: Float64, clustering: Clustering, ids: Sequence[str]) -> Carried:
    """Sorts clusters by size; recomputes the centres of those whose members changed."""
    before = {id_: c for c, id_ in enumerate(ids)}
    present = [str(id_) for id_ in dict.fromkeys(owner.tolist())]
    names = sorted(present, key=lambda id_: before.get(id_, len(ids)))
    number = {id_: i for i, id_ in enumerate(names)}
    labels = np.array([number[id_] for id_ in owner.tolist()], dtype=np.int64)
    k, d = len(names), points.shape[1]
    centroids, weights, biases = np.empty((k, d)), np.empty((k, d)), np.empty(k)
    sharpness, level = float(np.linalg.norm(clustering.weights, axis=1).mean()), float(clustering.biases.mean())
    for i, name in enumerate(names):
        inside, c = labels == i, before.get(name, -1)
        if c >= 0 and np.array_equal(inside, clustering.labels == c):
            centroids[i], weights[i], biases[i] = clustering.centroids[c], clustering.weights[c], clustering.biases[c]
        else:
            centroids[i] = _unit(points[inside].sum(axis=0))
            weights[i], biases[i] = centroids[i] * sharpness, level
    order = np.argsort(-np.bincount(labels, minlength=k), kind="stable")
    placed = ordered(points, Clustering(labels, centroids, weights, biases, 0.0))
    return Carried(placed, tuple(names[i] for i in order))


def _unit(vector: Float64) -> Float64:
    return np.asarray(vector / max(float(np.linalg.norm(vector)), 1e-12))
