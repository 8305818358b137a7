"""Fine-tuning without training: a linear map per expert that separates the components of a genre mixture."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from scipy.linalg import eigh
from sklearn.linear_model import LogisticRegression

from cinegrain.models.fusion import LinearFusion
from cinegrain.models.genre_mixture import GenreMixture, components_by_genre, discriminant, fit_genre_mixture
from cinegrain.models.genre_model import GenreModel, ModelSpec
from cinegrain.models.genre_starts import fit_from_clusters, neighbour_clusters
from cinegrain.settings import FinetuneSettings, ModelSettings, chosen
from cinegrain.training.arrays import TrailerArrays
from cinegrain.training.finetuned import COMPONENTS_PER_GENRE, Finetuned, FinetuneEpoch, OnEpoch
from cinegrain.types import Bool, Float64, Int64

_ROUNDS, _STEPS = 4, 10  # rounds of mixture and map; EM steps in a round
_VARIANCE, _MAX_AXES, _AXES_PER_GENRE = 0.9, 64, 2
_CLUSTER_FILMS, _CLUSTER_STEPS, _CLUSTER_AXES = 20_000, 30, 256  # at most, for components from clusters of all films
_INVERSE_PENALTY = 0.1


def finetune_by_mixture(
    coarse: GenreModel,
    arrays: TrailerArrays,
    labels: Bool,
    labelled: Int64,
    settings: FinetuneSettings,
    *,
    seed: int,
    on_epoch: OnEpoch | None = None,
) -> Finetuned:
    """Map each expert's scene means linearly so that the components of a genre mixture separate.

    Scene means are reduced to their principal components, fewer for few films to avoid overfitting. Then mixture and
    map alternate: a genre mixture is fitted to the labelled films, and each expert is mapped by a soft discriminant
    analysis of its components. If the films form clear clusters, these are the components, all principal components
    are kept and one round suffices. Logistic regressions on the genres are the new head.

    Args:
        coarse: Trained genre model, for its experts and genres.
        arrays: Vectors of n films.
        labels: Genres, shape (n, g).
        labelled: Films to fit on.
        settings: Only `n_subgenres` is used.
        seed: Random seed.
        on_epoch: Called with (done, total, message).

    Source: Ding and Li 2007, Adaptive Dimension Reduction Using Discriminant Analysis and K-means Clustering, here with
    genre effects in the mixture.
    """
    genres = labels[labelled]
    k = max(chosen(settings.n_subgenres, COMPONENTS_PER_GENRE * len(coarse.spec.genres)), int(genres.any(axis=0).sum()))
    clustered = _from_clusters(arrays, coarse.spec.experts, labelled, genres, k, seed)
    few = max(math.ceil(len(labelled) ** 0.5), _AXES_PER_GENRE * genres.shape[1])
    n_axes = _MAX_AXES if clustered else min(_MAX_AXES, few)
    experts = [_Expert.fit(arrays, name, labelled, n_axes) for name in coarse.spec.experts]
    if clustered:
        experts = [expert.separate(clustered.memberships) for expert in experts]
        history = [FinetuneEpoch(0, {"moved": 1.0})]
        if on_epoch:
            on_epoch(_ROUNDS, _ROUNDS, "films form clear clusters; one round suffices")
    else:
        experts, history = _alternate(experts, genres, k, seed, on_epoch)
    width = max(expert.map.shape[1] for expert in experts)
    model = _linear_model(coarse.spec, experts, width)
    blocks = [np.pad(expert.encoded, ((0, 0), (0, width - expert.encoded.shape[1]))) for expert in experts]
    encoded = np.stack(blocks, axis=1).reshape(len(labelled), -1)  # (m, e * width)
    _fit_head(model, encoded, genres)
    return Finetuned(model.eval(), tuple(history))


def _alternate(
    experts: list["_Expert"], genres: Bool, k: int, seed: int, on_epoch: OnEpoch | None
) -> tuple[list["_Expert"], list[FinetuneEpoch]]:
    """Alternate between mixture and maps; returns the experts and the fraction of films that moved, by round."""
    points = np.concatenate([expert.reduced for expert in experts], axis=1)
    genre_of = components_by_genre(points, genres, k, seed=seed)
    mixture: GenreMixture | None = None
    history = []
    for number in range(_ROUNDS):
        before = mixture
        mixture = fit_genre_mixture(
            points, genres, genre_of, seed=seed, steps=_STEPS, start=None if before is None else before.memberships
        )
        experts = [expert.separate(mixture.memberships) for expert in experts]
        points = _unit(np.concatenate([expert.encoded for expert in experts], axis=1))
        moved = 1.0 if before is None else _moved(before, mixture)
        history.append(FinetuneEpoch(number, {"moved": moved}))
        if on_epoch:
            on_epoch(number + 1, _ROUNDS, f"{moved:.1%} of films changed their component")
    return experts, history


def _from_clusters(
    arrays: TrailerArrays, experts: Sequence[str], labelled: Int64, genres: Bool, k: int, seed: int
) -> GenreMixture | None:
    """Mixture from clusters of the experts' plain vectors, if they are stable and likelier than clusters within genres.

    Large collections do not need it, and would not fit into memory.
    """
    if len(labelled) > _CLUSTER_FILMS:
        return None
    points = _directions(arrays, experts, labelled)
    clusters = neighbour_clusters(points, k, seed=seed)
    if clusters is None:
        return None
    clustered = fit_from_clusters(points, genres, clusters, k, seed=seed, steps=_CLUSTER_STEPS)
    genre_of = components_by_genre(points, genres, k, seed=seed)
    within = fit_genre_mixture(points, genres, genre_of, seed=seed, steps=_CLUSTER_STEPS)
    return clustered if clustered.log_likelihood > within.log_likelihood else None


def _directions(arrays: TrailerArrays, experts: Sequence[str], films: Int64) -> Float64:
    """Principal components of the concatenated unit vectors of all experts; unit rows, shape (m, r)."""
    blocks = []
    for name in experts:
        _, _, standard, present = _standardised(arrays, name, films)
        block = np.zeros((len(films), standard.shape[1]))
        block[present] = _unit(standard)
        blocks.append(block)
    rows = _unit(np.concatenate(blocks, axis=1))
    rows -= rows.mean(axis=0)
    return _unit(rows @ _principal_axes(rows, _CLUSTER_AXES))


@dataclass(frozen=True, eq=False)
class _Expert:
    """An expert's principal components and the map from them to the embedding.

    Attributes:
        name: Name of the expert.
        mean: Mean of its vectors, shape (d_e,).
        scale: Standard deviation of its vectors, shape (d_e,).
        axes: Standardised vectors to principal components, shape (d_e, r).
        reduced: Principal components of the labelled films, shape (m, r); 0 where absent.
        present: Shape (m,).
        map: Principal components to embedding, shape (r, r).
    """

    name: str
    mean: Float64
    scale: Float64
    axes: Float64
    reduced: Float64
    present: Bool
    map: Float64

    @classmethod
    def fit(cls, arrays: TrailerArrays, name: str, films: Int64, max_axes: int) -> "_Expert":
        """Principal components of an expert's scene means; all zero if fewer than two films have the expert."""
        mean, scale, standard, present = _standardised(arrays, name, films)
        if len(standard) < 2:
            d, m = len(mean), len(films)
            return cls(name, np.zeros(d), np.ones(d), np.zeros((d, 1)), np.zeros((m, 1)), present, np.eye(1))
        axes = _principal_axes(standard, max_axes)
        reduced = np.zeros((len(films), axes.shape[1]))
        reduced[present] = standard @ axes
        return cls(name, mean, scale, axes, reduced, present, np.eye(axes.shape[1]))

    def separate(self, memberships: Float64) -> "_Expert":
        """Set the map to the discriminant of the given components."""
        if self.present.sum() < 2:
            return self
        return replace(self, map=discriminant(self.reduced[self.present], memberships[self.present]))

    @property
    def encoded(self) -> Float64:
        """Labelled films in the embedding, shape (m, r); 0 where absent."""
        return self.reduced @ self.map


def _standardised(arrays: TrailerArrays, name: str, films: Int64) -> tuple[Float64, Float64, Float64, Bool]:
    """Mean and scale (d_e,) of an expert's scene means, the p present ones standardised (p, d_e), and the mask (m,)."""
    means = arrays.means(name, films).astype(np.float64)
    present = np.isfinite(means[:, 0])
    rows = means[present]
    if not len(rows):
        return np.zeros(means.shape[1]), np.ones(means.shape[1]), rows, present
    mean, scale = rows.mean(axis=0), np.maximum(rows.std(axis=0), 1e-3)
    return mean, scale, (rows - mean) / scale, present


def _principal_axes(standard: Float64, max_axes: int) -> Float64:
    """Principal axes with 90 % of the variance, at most `max_axes`.

    Args:
        standard: Shape (m, d), columns of mean 0.
        max_axes: Largest r.

    Returns:
        Shape (d, r), scaled to a mean standard deviation of 1 along them.
    """
    m, d = standard.shape
    gram = standard.T @ standard / m if d <= m else standard @ standard.T / m
    max_axes = min(max_axes, m - 1, d)
    variance, axes = eigh(gram, subset_by_index=[len(gram) - max_axes, len(gram) - 1])
    variance, axes = np.maximum(variance[::-1], 1e-12), axes[:, ::-1]
    r = min(int(np.searchsorted(np.cumsum(variance), _VARIANCE * np.trace(gram))) + 1, max_axes)
    deviation, axes = np.sqrt(variance[:r]), axes[:, :r]
    if d > m:  # eigenvectors of the (m, m) Gram matrix
        axes = standard.T @ axes / (np.sqrt(m) * deviation)
    return np.asarray(axes / deviation.mean())


def _linear_model(spec: ModelSpec, experts: list[_Expert], width: int) -> GenreModel:
    """Genre model with linear fusion that applies the experts' maps."""
    shape = ModelSettings(fusion="linear", hidden_dim=width, ensemble_size=1, dropout=0.0, linear_weight=0.0)
    model = GenreModel(replace(spec, settings=shape))
    model.set_statistics({e.name: (torch.from_numpy(e.mean), torch.from_numpy(e.scale)) for e in experts})
    fusion = model.members[0]
    assert isinstance(fusion, LinearFusion)
    with torch.no_grad():
        for expert in experts:
            layer = fusion.project.maps[expert.name]
            assert isinstance(layer, torch.nn.Linear)
            weight = np.zeros((width, len(expert.mean)))
            weight[: expert.map.shape[1]] = (expert.axes @ expert.map).T
            layer.weight.copy_(torch.from_numpy(weight))
            layer.bias.zero_()
    return model


def _fit_head(model: GenreModel, encoded: Float64, genres: Bool) -> None:
    """Fit a logistic regression per genre; a genre that all or no films have is predicted at its frequency."""
    model.set_prior(torch.from_numpy(genres.mean(axis=0)))
    with torch.no_grad():
        model.head.weight.zero_()
        for j, truth in enumerate(genres.T):
            if truth.any() and not truth.all():
                fitted = LogisticRegression(C=_INVERSE_PENALTY, max_iter=1000).fit(encoded, truth)
                model.head.weight[0, j].copy_(torch.from_numpy(fitted.coef_[0]))
                model.head.bias[j] = float(fitted.intercept_[0])


def _unit(rows: Float64) -> Float64:
    return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12))


def _moved(before: GenreMixture, after: GenreMixture) -> float:
    return float((before.memberships.argmax(axis=1) != after.memberships.argmax(axis=1)).mean())
