"""Ids that stay: which sub-genres of a new discovery are ones of the old, and what locks do to it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

from cinegrain.atlas.edits import subgenre_id, subgenre_number
from cinegrain.discovery.clustering import Clustering, ordered
from cinegrain.types import Float64, Int64

MIN_OVERLAP = 0.25
"""Least Jaccard overlap of members by which a new sub-genre is an old one."""
MIN_LIKENESS = 0.8
"""Least cosine of centres by which it is, where they have no film in common to go by."""
_CENTRES_COUNT = 0.1  # beside the overlap's 1: decides between near equal overlaps


@dataclass(frozen=True, eq=False)
class Known:
    """Sub-genres of before.

    Attributes:
        highest: The highest number ever given.
        found: Members of every sub-genre that discovery ever found, as it last found them.
        wanted: Members as people want them now.
        locked: Members of the locked ones.
        part_of: Sub-genres that people merged: the one they are a part of.
        offspring: Sub-genres that people split off, by the one that they come from.
        centres: Unit rows of the old centres by id; only where the space is the same.
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
    """A clustering whose clusters have ids.

    Attributes:
        clustering: Row i of its centroids and label i belong to `ids[i]`.
        ids: Length k.
    """

    clustering: Clustering
    ids: tuple[str, ...]


def carry_over(points: Float64, clustering: Clustering, trailer_ids: Sequence[str], known: Known) -> Carried:
    """Gives a new clustering the ids of the old one, and locked sub-genres their films.

    Old and new sub-genres are paired one to one so that overlaps (Jaccard, over films that both have seen; the larger
    of that with the films as found and as people want them) and, with a small weight, cosines of centres are largest
    in sum (Hungarian method). Locked sub-genres keep their films; all other films stay out of them, in the next
    nearest sub-genre. A new film in a sub-genre that was split goes to the nearer part.

    Args:
        points: Unit rows, shape (n, d).
        clustering: Of these.
        trailer_ids: Length n.
        known: What was before.
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
    """New cluster -> old id."""
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
    """New films in a sub-genre that was split go to the nearest of its parts."""
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
    """Puts the films of locked sub-genres back, and others out of them into the nearest that is open."""

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
    """The clusters in the order of their size again; only those whose members changed are placed anew."""
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
