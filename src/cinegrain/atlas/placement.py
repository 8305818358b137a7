"""Places new films in an atlas, and finds new sub-genres among them."""

from dataclasses import dataclass

import numpy as np
from scipy.cluster.hierarchy import ClusterNode, linkage, to_tree

from cinegrain.types import Bool, Float64, Int64

NOWHERE, LOOSE = 0.99, 0.75  # quantiles of the distances of a sub-genre's films that are the limits
REASONABLE = 0.5
"""Mean silhouette from which a group counts as reasonable (Kaufman and Rousseeuw 1990, Finding Groups in Data)."""
_MOST_AT_ONCE = 5000  # all pairs are in memory


@dataclass(frozen=True, eq=False)
class Fit:
    """Statistics of an atlas' films, for placing new ones.

    Attributes:
        centroids: Unit rows, shape (k, d).
        nowhere: Distance (1 - cosine) beyond which a film does not belong to a sub-genre, shape (k,).
        loose: Distance beyond which it belongs only loosely, shape (k,).
        apartness: Median over sub-genres of the mean silhouette of their films.
    """

    centroids: Float64
    nowhere: Float64
    loose: Float64
    apartness: float


@dataclass(frozen=True, eq=False)
class Placed:
    """Placement of n films.

    Attributes:
        nearest: Sub-genre with the nearest centre, shape (n,).
        distance: Distance to it, shape (n,).
        fits: Whether that is within `Fit.nowhere`, shape (n,).
        loosely: Whether it is beyond `Fit.loose`, shape (n,).
    """

    nearest: Int64
    distance: Float64
    fits: Bool
    loosely: Bool


@dataclass(frozen=True, eq=False)
class Gathering:
    """Films closer to each other than to any sub-genre: rows, most typical first, and mean silhouette."""

    rows: Int64
    apartness: float


def learn_fit(points: Float64, labels: Int64, centroids: Float64, held_out: Bool) -> Fit:
    """Computes the limits of distances.

    A limit is the larger of two quantiles: over a sub-genre's films, and over held-out films to their nearest centre.
    Films that the network was trained on are closer than others.

    Args:
        points: Unit rows, shape (n, d).
        labels: Sub-genre of each, shape (n,); -1 for none.
        centroids: Unit rows, shape (k, d).
        held_out: Films that were not trained on, shape (n,).
    """
    inside = labels >= 0
    own = np.full(len(points), np.nan)
    own[inside] = 1 - np.einsum("nd,nd->n", points[inside], centroids[labels[inside]])
    nearest = 1 - (points[held_out] @ centroids.T).max(axis=1)

    def limits(quantile: float) -> Float64:
        least = float(np.quantile(nearest, quantile)) if len(nearest) else 0.0
        found = [own[labels == k] for k in range(len(centroids))]
        return np.array([max(least, float(np.quantile(one, quantile)) if len(one) else 0.0) for one in found])

    apart = [
        apartness(points[labels == k], np.delete(centroids, k, axis=0))
        for k in range(len(centroids))
        if (labels == k).sum() > 1
    ]
    return Fit(centroids, limits(NOWHERE), limits(LOOSE), float(np.median(apart)) if apart else 1.0)


def place(points: Float64, fit: Fit) -> Placed:
    """Places films.

    Args:
        points: Unit rows, shape (n, d).
        fit: Statistics of the atlas.
    """
    similarity = points @ fit.centroids.T
    nearest = similarity.argmax(axis=1)
    distance = 1 - similarity[np.arange(len(points)), nearest]
    return Placed(nearest, distance, distance <= fit.nowhere[nearest], distance > fit.loose[nearest])


def gather(points: Float64, fit: Fit, min_films: int) -> list[Gathering]:
    """Finds new sub-genres among new films.

    Films that fit loosely or nowhere are clustered hierarchically (average linkage). A branch is a new sub-genre if it
    is large enough and its mean silhouette reaches that of a typical sub-genre, or REASONABLE (films unlike the
    training films are less compact). It is split if both its branches qualify, also against each other. Then
    further new films join that are closer to a group's centre than to their own sub-genre's, and not farther out than
    its films.

    Args:
        points: Unit rows of the new films, shape (n, d).
        fit: Statistics of the atlas.
        min_films: Minimum number of films.

    Returns:
        Disjoint groups, largest first.
    """
    placed = place(points, fit)
    astray = np.flatnonzero(placed.loosely | ~placed.fits)[-_MOST_AT_ONCE:]
    if len(astray) < min_films:
        return []
    least = min(fit.apartness, REASONABLE)
    tree = to_tree(linkage(points[astray], method="average", metric="cosine"))
    kept = [astray[rows] for rows in _branches(tree, points[astray], fit.centroids, least, min_films)]
    if not kept:
        return []
    to_new = points @ np.stack([_unit(points[rows].sum(axis=0)) for rows in kept]).T
    least_near = np.array([np.quantile(to_new[rows, i], 1 - NOWHERE) for i, rows in enumerate(kept)])
    best, near = to_new.argmax(axis=1), to_new.max(axis=1)
    owner = np.where((near > 1 - placed.distance) & (near >= least_near[best]), best, -1)
    for i, rows in enumerate(kept):
        owner[rows] = i
    found = []
    for i in range(len(kept)):
        rows = np.flatnonzero(owner == i)
        apart = apartness(points[rows], fit.centroids)
        found.append(Gathering(rows[np.argsort(-to_new[rows, i], kind="stable")], apart))
    return sorted(found, key=lambda one: -len(one.rows))


def apartness(points: Float64, others: Float64) -> float:
    """Mean silhouette of a group's films, -1..1, by distances to centres.

    The silhouette of a film is (b - a) / max(a, b) with a its cosine distance to the centre of the group without it,
    and b that to the nearest other centre.

    Args:
        points: Unit rows of the group, shape (n, d).
        others: Centres of other groups, unit rows, shape (k, d).

    Source: Rousseeuw 1987, Silhouettes: a Graphical Aid to the Interpretation and Validation of Cluster Analysis.
    """
    return float(_silhouettes(points, others).mean()) if len(points) > 1 and len(others) else 0.0


def _silhouettes(points: Float64, others: Float64) -> Float64:
    rest = points.sum(axis=0) - points
    own = 1 - np.einsum("nd,nd->n", points, rest) / np.maximum(np.linalg.norm(rest, axis=1), 1e-12)
    other = 1 - (points @ others.T).max(axis=1)
    return np.asarray((other - own) / np.maximum(np.maximum(own, other), 1e-12))


def _without_stragglers(rows: Int64, points: Float64, others: Float64) -> Int64:
    """A group without films whose silhouette is below half the median."""
    while len(rows) > 1:
        apart = _silhouettes(points[rows], others)
        stay = apart >= np.median(apart) / 2
        if stay.all() or np.median(apart) <= 0:
            break
        rows = rows[stay]
    return rows


def _branches(tree: ClusterNode, points: Float64, others: Float64, least: float, min_films: int) -> list[Int64]:
    """Rows of the branches that are new sub-genres; not recursive, since a tree may be deep."""
    found: list[Int64] = []
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        if node.count < min_films:
            continue
        left, right = node.get_left(), node.get_right()
        rows = _without_stragglers(np.array(node.pre_order(), dtype=np.int64), points, others)
        whole = apartness(points[rows], others)
        if (
            len(rows) >= min_films
            and whole >= least
            and not _are_two(left, right, points, others, max(whole, least), min_films)
        ):
            found.append(rows)
        else:
            waiting += [left, right]
    return found


def _are_two(
    left: ClusterNode, right: ClusterNode, points: Float64, others: Float64, least: float, min_films: int
) -> bool:
    """Whether two branches also qualify against each other."""
    if min(left.count, right.count) < min_films:
        return False
    rows = [_without_stragglers(np.array(n.pre_order(), dtype=np.int64), points, others) for n in (left, right)]
    if min(map(len, rows)) < min_films:
        return False
    centres = [_unit(points[part].sum(axis=0)) for part in rows]
    apart = [apartness(points[part], np.vstack([others, centres[1 - i]])) for i, part in enumerate(rows)]
    return min(apart) >= least


def _unit(vector: Float64) -> Float64:
    return np.asarray(vector / max(float(np.linalg.norm(vector)), 1e-12))
