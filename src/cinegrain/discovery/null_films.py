"""Films by chance: what their genres add up to, and normal noise of the same covariance; no group hides in them."""

from collections.abc import Sequence

import numpy as np

from cinegrain.types import Bool, Float64

_MOST_AXES = 24  # of each expert: what lies beyond is hardly told from noise
_RIDGE = 1.0  # films' worth of shrinkage of each genre's mean


class NullFilms:
    """Draws data sets that resemble n given films in all but groups within genres: a parametric bootstrap.

    Each film keeps its genres and the length of each of its blocks. Its position is the sum of its genres' parts, by
    ridge regression, plus a normal remainder with the covariance that the films' own remainders have. Lengths are
    kept because unit rows lie on a sphere, and a sphere alone is less spread out than a normal cloud: without that,
    chance would look like structure.

    Attributes:
        points: The films in the first principal axes of each block, shape (n, m).
    """

    def __init__(self, blocks: Sequence[Float64], labels: Bool) -> None:
        """Fits genres and remainder.

        Args:
            blocks: One expert's rows each, shape (n, d_e), of unit length or zero where the expert saw nothing.
            labels: Genres, shape (n, g).
        """
        self._labels = labels
        reduced = [_in_first_axes(block) for block in blocks]
        self._ends = np.cumsum([block.shape[1] for block in reduced])[:-1]
        self._lengths = [np.linalg.norm(block, axis=1, keepdims=True) for block in reduced]
        self.points: Float64 = np.concatenate(reduced, axis=1)
        self._remainder = without_genres(self.points, labels)
        self._fitted = self.points - self._remainder
        lost = min(int((labels.std(axis=0) > 0).sum()) + 1, len(labels) // 2)  # degrees of freedom the fit used up
        self._scale = 1 / np.sqrt(max(len(labels) - lost, 1))

    def draw(self, rng: np.random.Generator) -> Float64:
        """One data set without structure, shape (n, m), like `points`."""
        n = len(self._remainder)
        drawn = self._fitted + self._scale * (rng.standard_normal((n, n)) @ self._remainder)
        parts = np.split(drawn, self._ends, axis=1)
        return np.concatenate(
            [
                part * (length / np.maximum(np.linalg.norm(part, axis=1, keepdims=True), 1e-12))
                for part, length in zip(parts, self._lengths, strict=True)
            ],
            axis=1,
        )

    def remainder_of(self, points: Float64) -> Float64:
        """What the genres do not explain of points like these, shape (n, m)."""
        return without_genres(points, self._labels)


def without_genres(points: Float64, labels: Bool) -> Float64:
    """What remains of rows (n, d) after the parts that their genres (n, g) add, by ridge regression; centred."""
    centred = points - points.mean(axis=0)
    design = labels - labels.mean(axis=0)
    gram = design.T @ design + _RIDGE * np.eye(design.shape[1])
    return np.asarray(centred - design @ np.linalg.solve(gram, design.T @ centred))


def _in_first_axes(block: Float64) -> Float64:
    """Turned to the principal axes, the first of them kept; the origin stays where it was."""
    axes = np.linalg.svd(block - block.mean(axis=0), full_matrices=False)[2][:_MOST_AXES]
    return np.asarray(block @ axes.T)
