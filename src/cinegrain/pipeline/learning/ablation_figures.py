"""Figures of an ablation: scores of every combination of experts, and the influence in the full model."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
from scipy.stats import spearmanr

from cinegrain.explain.influence import discriminative_influence, expert_influence
from cinegrain.explain.shapley import shapley_values
from cinegrain.pipeline.learning.rows import calibrated_influence
from cinegrain.pipeline.learning.trained import Trained
from cinegrain.runs.provenance import provenance
from cinegrain.types import Float64, JsonObject

CELL_COLUMNS = ("modes", "n_modes", "n_seeds", "map", "map_deviation")


def ablation_figures(trained: Trained, results: Sequence[JsonObject]) -> JsonObject:
    """Content of ablation.json.

    The retrained worth of an expert for a genre is its Shapley value with the mean AP of the retrained networks as the
    value of a coalition; that of the empty one is the fraction of films of the genre (chance).

    Args:
        trained: The run's model and films.
        results: One cell per subset of experts and seed.
    """
    data, truth = trained.data, trained.data.labels[trained.split.test]
    experts = trained.model.spec.experts
    names = mode_names(trained)
    seeds = sorted({result["seed"] for result in results})
    ap = np.full((len(seeds), 2 ** len(experts), len(data.genres)), np.nan)
    for result in results:
        ap[seeds.index(result["seed"]), result["subset"]] = [np.nan if x is None else x for x in result["ap"]]
    scored = np.asarray(truth.any(axis=0))
    macro = ap[..., scored].mean(axis=2)  # (seeds, subsets); subset 0 is empty and not trained
    mean_ap, deviation = ap.mean(axis=0), _deviation(ap)
    map_deviation = [float(x) if np.isfinite(x) else None for x in _deviation(macro)]
    values = mean_ap.copy()
    values[0] = truth.mean(axis=0)
    worth = shapley_values(values[:, scored])  # (e, scored genres)
    found = discriminative_influence(
        calibrated_influence(
            expert_influence(trained.model, data.arrays.batch(trained.split.test)), trained.calibration
        ),
        truth,
    )
    telling = found.values[:, scored]
    genres = [genre for genre, there in zip(data.genres, scored, strict=True) if there]
    return {
        "modes": names,
        "genres": list(data.genres),
        "left_out": [genre for genre, there in zip(data.genres, scored, strict=True) if not there],
        "n_films": len(truth),
        "n_seeds": len(seeds),
        "subsets": [
            {
                "modes": [name for i, name in enumerate(names) if subset >> i & 1],
                "map": float(macro[:, subset].mean()),
                "map_deviation": map_deviation[subset],
                "map_by_seed": macro[:, subset].tolist(),
                "ap": _by_name(data.genres, mean_ap[subset]),
                "ap_deviation": _by_name(data.genres, deviation[subset]),
            }
            for subset in range(1, 2 ** len(experts))
        ],
        "chance": _by_name(data.genres, np.where(scored, truth.mean(axis=0), np.nan)),
        "best": [_best(genre, values[:, j], names) for genre, j in zip(genres, np.flatnonzero(scored), strict=True)],
        "retrained_worth": _table(genres, names, worth),
        "influence": _table(genres, names, telling),
        "influence_low": _table(genres, names, found.low[:, scored]),
        "influence_high": _table(genres, names, found.high[:, scored]),
        "agreement": agreement(worth, telling),
        "provenance": {**vars(provenance(trained.card.provenance.seed)), "model": trained.card.key},
    }


def mode_names(trained: Trained) -> list[str]:
    """Name of each expert: its modality, or its own name if two share a modality."""
    often = Counter(trained.data.modes)
    return [
        mode if often[mode] == 1 else expert
        for mode, expert in zip(trained.data.modes, trained.model.spec.experts, strict=True)
    ]


def agreement(worth: Float64, influence: Float64) -> JsonObject:
    """Spearman's rank correlation of both tables (e, g): over all pairs, and the mean over genres of that over experts.

    None if undefined.
    """
    both = np.isfinite(worth) & np.isfinite(influence)
    by_genre = [_rank(worth[both[:, j], j], influence[both[:, j], j]) for j in range(worth.shape[1])]
    known = [value for value in by_genre if value is not None]
    return {"all_pairs": _rank(worth[both], influence[both]), "within_genres": float(np.mean(known)) if known else None}


def cell_rows(figures: JsonObject) -> list[JsonObject]:
    """One row per subset, for ablation.csv."""
    return [
        {
            "modes": "+".join(subset["modes"]),
            "n_modes": len(subset["modes"]),
            "n_seeds": figures["n_seeds"],
            "map": subset["map"],
            "map_deviation": subset["map_deviation"],
            **subset["ap"],
        }
        for subset in figures["subsets"]
    ]


def _rank(a: Float64, b: Float64) -> float | None:
    if len(a) < 3 or np.ptp(a) == 0 or np.ptp(b) == 0:
        return None
    return float(spearmanr(a, b).statistic)


def _best(genre: str, ap: Float64, names: Sequence[str]) -> JsonObject:
    """The best subset; `ap` has one entry per subset, chance first."""
    best = int(np.argmax(ap[1:])) + 1
    full = float(ap[-1])
    return {
        "genre": genre,
        "modes": [name for i, name in enumerate(names) if best >> i & 1],
        "ap": float(ap[best]),
        "ap_of_all": full,
        "without": {name: full - float(ap[(len(ap) - 1) ^ 1 << i]) for i, name in enumerate(names)},
    }


def _deviation(by_seed: Float64) -> Float64:
    """Standard deviation over seeds, the first axis; NaN with one seed."""
    return by_seed.std(axis=0, ddof=1) if len(by_seed) > 1 else np.full(by_seed.shape[1:], np.nan)


def _by_name(names: Sequence[str], values: Float64) -> dict[str, float | None]:
    return {name: float(x) if np.isfinite(x) else None for name, x in zip(names, values, strict=True)}


def _table(genres: Sequence[str], names: Sequence[str], values: Float64) -> dict[str, dict[str, float | None]]:
    return {genre: _by_name(names, values[:, j]) for j, genre in enumerate(genres)}
