"""Sub-genres as components under genres, and the linear map of every expert in which they stand out."""

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
from cinegrain.training.finetuned import COMPONENTS_A_GENRE, Finetuned, FinetuneEpoch, OnEpoch
from cinegrain.types import Bool, Float64, Int64

_ROUNDS, _STEPS = 4, 10  # of the mixture and its map; of expectation maximisation in a round
_VARIANCE, _MOST_AXES, _AXES_A_GENRE = 0.9, 64, 2
_MOST_ASKED, _STEPS_APART, _MOST_AXES_APART = 20_000, 30, 256  # films, steps, axes of the look whether they fall apart
_PROBE_STRENGTH = 0.1


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
    """Turns and scales each expert's scene means so that components under genres stand out; no network is trained.

    First every expert's scene means are reduced to their main axes, fewer where there are few films: in many directions
    few films fall into components by accident. Then, round by round, a mixture whose components hang under genres is
    fitted to the labelled films, and each expert's space is turned and scaled to what tells the components apart
    (Fisher's discriminant with soft classes). Where films fall apart by themselves, these groups are the components,
    all main axes are kept, and one turn is enough. What the experts keep apart stays apart: the map is linear, weighs
    axes, and drops none of the main ones. A regression on the genres takes the place of the head.

    Args:
        coarse: The trained network; its experts, genres and scaling are taken over.
        arrays: Vectors of n films.
        labels: Genres, shape (n, g).
        labelled: Films to fit on.
        settings: only `n_subgenres` counts here.
        seed: Of the mixture's start.
        on_epoch: Called with (done, total, a line to show).

    Source: discriminant clustering after Ding and Li 2007, Adaptive Dimension Reduction Using Discriminant Analysis
    and K-means Clustering, with genres to explain away what is coarse.
    """
    genres = labels[labelled]
    k = max(chosen(settings.n_subgenres, COMPONENTS_A_GENRE * len(coarse.spec.genres)), int(genres.any(axis=0).sum()))
    apart = _fallen_apart(arrays, coarse.spec.experts, labelled, genres, k, seed)
    few = max(math.ceil(len(labelled) ** 0.5), _AXES_A_GENRE * genres.shape[1])
    most = _MOST_AXES if apart else min(_MOST_AXES, few)
    experts = [_Expert.fit(arrays, name, labelled, most) for name in coarse.spec.experts]
    if apart:
        experts = [expert.turned(apart.memberships) for expert in experts]
        history = [FinetuneEpoch(0, {"moved": 1.0})]
        if on_epoch:
            on_epoch(_ROUNDS, _ROUNDS, "films fall apart by themselves; one turn is enough")
    else:
        experts, history = _turned_in_rounds(experts, genres, k, seed, on_epoch)
    width = max(expert.map.shape[1] for expert in experts)
    model = _linear_model(coarse.spec, experts, width)
    blocks = [np.pad(expert.encoded, ((0, 0), (0, width - expert.encoded.shape[1]))) for expert in experts]
    encoded = np.stack(blocks, axis=1).reshape(len(labelled), -1)  # (m, e * width)
    _fit_head(model, encoded, genres)
    return Finetuned(model.eval(), tuple(history))


def _turned_in_rounds(
    experts: list["_Expert"], genres: Bool, k: int, seed: int, on_epoch: OnEpoch | None
) -> tuple[list["_Expert"], list[FinetuneEpoch]]:
    """The experts turned to a mixture in the turned space, and how many films changed their component by round."""
    points = np.concatenate([expert.reduced for expert in experts], axis=1)
    genre_of = components_by_genre(points, genres, k, seed=seed)
    found: GenreMixture | None = None
    history = []
    for number in range(_ROUNDS):
        before = found
        found = fit_genre_mixture(
            points, genres, genre_of, seed=seed, steps=_STEPS, start=None if before is None else before.memberships
        )
        experts = [expert.turned(found.memberships) for expert in experts]
        points = _unit(np.concatenate([expert.encoded for expert in experts], axis=1))
        moved = 1.0 if before is None else _moved(before, found)
        history.append(FinetuneEpoch(number, {"moved": moved}))
        if on_epoch:
            on_epoch(number + 1, _ROUNDS, f"{moved:.1%} of films changed their component")
    return experts, history


def _fallen_apart(
    arrays: TrailerArrays, experts: Sequence[str], labelled: Int64, genres: Bool, k: int, seed: int
) -> GenreMixture | None:
    """Components in the experts' plain vectors, where films fall apart there without any help.

    That is so if clusters of neighbours come back from another seed, and the mixture that grows out of them is likelier
    than the one from inside the genres. Very many films need no such help, and would not fit into memory.
    """
    if len(labelled) > _MOST_ASKED:
        return None
    points = _directions(arrays, experts, labelled)
    clusters = neighbour_clusters(points, k, seed=seed)
    if clusters is None:
        return None
    near = fit_from_clusters(points, genres, clusters, k, seed=seed, steps=_STEPS_APART)
    genre_of = components_by_genre(points, genres, k, seed=seed)
    inside = fit_genre_mixture(points, genres, genre_of, seed=seed, steps=_STEPS_APART)
    return near if near.log_likelihood > inside.log_likelihood else None


def _directions(arrays: TrailerArrays, experts: Sequence[str], films: Int64) -> Float64:
    """Main axes of the experts' vectors side by side, every expert at unit length; unit rows, shape (m, r)."""
    blocks = []
    for name in experts:
        _, _, standard, present = _standardised(arrays, name, films)
        block = np.zeros((len(films), standard.shape[1]))
        block[present] = _unit(standard)
        blocks.append(block)
    beside = _unit(np.concatenate(blocks, axis=1))
    beside -= beside.mean(axis=0)
    return _unit(beside @ _main_axes(beside, _MOST_AXES_APART))


@dataclass(frozen=True, eq=False)
class _Expert:
    """One expert's films in its main axes.

    Attributes:
        name: Of the expert.
        mean: Of its vectors, shape (d_e,).
        scale: Standard deviation of its vectors, shape (d_e,).
        axes: From standardised vectors to main axes, shape (d_e, r).
        reduced: Labelled films there, shape (m, r); 0 for those without the expert.
        present: Who has it, shape (m,).
        map: From main axes to the embedding, shape (r, r).
    """

    name: str
    mean: Float64
    scale: Float64
    axes: Float64
    reduced: Float64
    present: Bool
    map: Float64

    @classmethod
    def fit(cls, arrays: TrailerArrays, name: str, films: Int64, most: int) -> "_Expert":
        """Reads an expert's scene means; nothing of it is used where fewer than two films have it."""
        mean, scale, standard, present = _standardised(arrays, name, films)
        if len(standard) < 2:
            d, m = len(mean), len(films)
            return cls(name, np.zeros(d), np.ones(d), np.zeros((d, 1)), np.zeros((m, 1)), present, np.eye(1))
        axes = _main_axes(standard, most)
        reduced = np.zeros((len(films), axes.shape[1]))
        reduced[present] = standard @ axes
        return cls(name, mean, scale, axes, reduced, present, np.eye(axes.shape[1]))

    def turned(self, memberships: Float64) -> "_Expert":
        """With the map that makes these components stand out."""
        if self.present.sum() < 2:
            return self
        return replace(self, map=discriminant(self.reduced[self.present], memberships[self.present]))

    @property
    def encoded(self) -> Float64:
        """Labelled films in the embedding, shape (m, r); 0 for those without the expert."""
        return self.reduced @ self.map


def _standardised(arrays: TrailerArrays, name: str, films: Int64) -> tuple[Float64, Float64, Float64, Bool]:
    """An expert's scene means: mean and scale (d_e,), standardised (p, d_e) where p films have them, and which do."""
    means = arrays.means(name, films).astype(np.float64)
    present = np.isfinite(means[:, 0])
    there = means[present]
    if not len(there):
        return np.zeros(means.shape[1]), np.ones(means.shape[1]), there, present
    mean, scale = there.mean(axis=0), np.maximum(there.std(axis=0), 1e-3)
    return mean, scale, (there - mean) / scale, present


def _main_axes(standard: Float64, most: int) -> Float64:
    """The main axes that hold nine tenths of the variance.

    Args:
        standard: Shape (m, d), columns of mean 0.
        most: How many at most.

    Returns:
        Shape (d, r), scaled so that the mean standard deviation along them is 1.
    """
    m, d = standard.shape
    gram = standard.T @ standard / m if d <= m else standard @ standard.T / m
    most = min(most, m - 1, d)
    variance, axes = eigh(gram, subset_by_index=[len(gram) - most, len(gram) - 1])
    variance, axes = np.maximum(variance[::-1], 1e-12), axes[:, ::-1]
    r = min(int(np.searchsorted(np.cumsum(variance), _VARIANCE * np.trace(gram))) + 1, most)
    deviation, axes = np.sqrt(variance[:r]), axes[:, :r]
    if d > m:  # axes of films, not of values
        axes = standard.T @ axes / (np.sqrt(m) * deviation)
    return np.asarray(axes / deviation.mean())


def _linear_model(spec: ModelSpec, experts: list[_Expert], width: int) -> GenreModel:
    """A network that does to any film what was done to the labelled ones."""
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
    """One logistic regression a genre; a genre that all or no film has keeps its share."""
    model.set_prior(torch.from_numpy(genres.mean(axis=0)))
    with torch.no_grad():
        model.head.weight.zero_()
        for j, wanted in enumerate(genres.T):
            if wanted.any() and not wanted.all():
                fitted = LogisticRegression(C=_PROBE_STRENGTH, max_iter=1000).fit(encoded, wanted)
                model.head.weight[0, j].copy_(torch.from_numpy(fitted.coef_[0]))
                model.head.bias[j] = float(fitted.intercept_[0])


def _unit(rows: Float64) -> Float64:
    return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12))


def _moved(before: GenreMixture, after: GenreMixture) -> float:
    return float((before.memberships.argmax(axis=1) != after.memberships.argmax(axis=1)).mean())
