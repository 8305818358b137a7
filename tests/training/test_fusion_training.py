"""Training of every fusion: it learns what is there, nothing where nothing is, and the same twice."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch

from cinegrain.errors import ConfigError
from cinegrain.explain.influence import Influence, discriminative_influence, expert_influence
from cinegrain.metrics.multilabel import macro_ap
from cinegrain.models.genre_model import ModelSpec
from cinegrain.models.shape import LINEAR_WEIGHT
from cinegrain.settings import FUSIONS, LOSSES, ModelSettings, TrainSettings
from cinegrain.training.arrays import ExpertArray, TrailerArrays
from cinegrain.training.coarse import CoarseResult, train_coarse
from cinegrain.training.infer import predict_genres
from cinegrain.training.linear_weight import WEIGHTS, weight_losses
from cinegrain.training.plan import RIDGE, plan_for
from cinegrain.training.split import Split
from cinegrain.types import Bool, Float64

GENRES = ("A", "B", "C", "D")
N_TRAIN, N_VAL, N_TEST = 100, 40, 400
SPLIT = Split(*np.split(np.arange(N_TRAIN + N_VAL + N_TEST), [N_TRAIN, N_TRAIN + N_VAL]))


@dataclass(frozen=True, eq=False)
class Judged:
    """What a model says of the test films: probabilities (n, g) and the experts' Shapley parts in the logits."""

    probabilities: Float64
    influence: Influence


Judge = Callable[[TrailerArrays, Bool], Judged]


def planted(dimension: int = 60, seed: int = 0) -> tuple[TrailerArrays, Bool]:
    """100 films to learn from, with more values than films; a fifth lacks sound. The genres show in both experts."""
    rng = np.random.default_rng(seed)
    n = N_TRAIN + N_VAL + N_TEST
    labels = np.eye(4, dtype=bool)[np.arange(n) % 4] | (rng.random((n, 4)) < 0.1)
    experts = {}
    for name in ("sound", "picture"):
        centres = rng.normal(size=(4, dimension))
        counts = np.where((name == "sound") & (np.arange(n) % 5 == 0), 0, 2)
        own = np.repeat(labels @ centres + 1.5 * rng.normal(size=(n, dimension)), counts, axis=0)
        scenes = np.concatenate([np.arange(c) for c in counts])
        vectors = (own + rng.normal(size=own.shape)).astype(np.float32)
        experts[name] = ExpertArray(vectors, scenes, np.concatenate([[0], np.cumsum(counts)]))
    return TrailerArrays(experts), labels


def with_noise(arrays: TrailerArrays) -> TrailerArrays:
    """A third expert beside the others, which says nothing."""
    sound = arrays.experts["sound"]
    noise = np.random.default_rng(9).normal(size=sound.vectors.shape).astype(np.float32)
    return TrailerArrays({**arrays.experts, "noise": replace(sound, vectors=noise)})


def train(arrays: TrailerArrays, labels: Bool, model: ModelSettings, settings: TrainSettings) -> CoarseResult:
    modes = {"sound": "audio", "picture": "image", "noise": "motion"}
    spec = ModelSpec(arrays.dimensions, {name: modes[name] for name in arrays.experts}, GENRES, model)
    return train_coarse(arrays, labels, SPLIT, spec, settings, seed=0)


def network(model: ModelSettings, settings: TrainSettings) -> Judge:
    def judge(arrays: TrailerArrays, labels: Bool) -> Judged:
        trained = train(arrays, labels, model, settings).model
        influence = expert_influence(trained, arrays.batch(SPLIT.test))
        return Judged(predict_genres(trained, arrays, SPLIT.test), influence)

    return judge


SHORT = TrainSettings(epochs=25, patience=10)
JUDGES: dict[str, Judge] = {
    **{fusion: network(ModelSettings(fusion=fusion), SHORT) for fusion in FUSIONS},
    **{loss: network(ModelSettings(), TrainSettings(epochs=25, loss=loss)) for loss in LOSSES[1:]},
    "no linear part": network(ModelSettings(linear_weight=0.0), SHORT),
}


@pytest.mark.parametrize("name", JUDGES)
def test_a_hundred_films_are_learned_and_shuffled_genres_are_not(name: str) -> None:
    arrays, labels = planted()
    arrays = with_noise(arrays)
    judged = JUDGES[name](arrays, labels)
    assert macro_ap(labels[SPLIT.test], judged.probabilities) > 0.8
    # What noise moves is nothing to do with the genres of films that did not train. One expert and genre in twenty
    # would stray beyond its 95 % interval by chance; none of some sixty beyond twice that.
    found = discriminative_influence(judged.influence, labels[SPLIT.test], n_bootstrap=400)
    reach = (found.high - found.low) / 2
    experts = list(arrays.experts)
    noise, most = found.values[experts.index("noise")], 2 * reach[experts.index("noise")]
    assert (noise < most).all()
    # In late fusion noise does play a part: a mean over the experts that are there is drawn to the prior by it.
    assert name == "late" or (noise > -most).all()
    assert (np.abs(noise) < found.values[experts.index("picture")] / 2).all()
    assert (found.low > 0)[experts.index("picture")].all()
    rows = np.random.default_rng(1).permutation(len(labels))
    shuffled = labels[rows]
    chance = shuffled[SPLIT.test].mean()
    score = macro_ap(shuffled[SPLIT.test], JUDGES[name](arrays, shuffled).probabilities)
    # The mean AP of four genres by random scores on 400 films strays by about 0.01; five of those.
    assert abs(score - chance) < 0.06, "nothing is there to learn, so held-out films must be judged by chance"


def test_same_seed_same_weights_to_the_last_bit() -> None:
    arrays, labels = planted()
    first, again = (
        train(arrays, labels, ModelSettings(), TrainSettings(epochs=3)).model.state_dict() for _ in range(2)
    )
    assert all(torch.equal(first[name], again[name]) for name in first)


def test_what_is_left_open_is_filled_in_and_kept_in_the_spec() -> None:
    arrays, labels = planted(dimension=5)
    result = train(arrays, labels, ModelSettings(ensemble_size=3), TrainSettings(epochs=1))
    settings = result.model.spec.settings
    assert (settings.hidden_dim, settings.ensemble_size, settings.dropout) == (32, 3, 0.5)
    assert plan_for(TrainSettings(), 100).weight_decay > plan_for(TrainSettings(), 1_000_000).weight_decay
    assert plan_for(TrainSettings(weight_decay=0.0), 100).weight_decay == 0


def test_without_patience_the_last_epoch_is_kept() -> None:
    arrays, labels = planted(dimension=5)
    shuffled = labels[np.random.default_rng(3).permutation(len(labels))]  # then the last epoch is not the best one
    model = ModelSettings(linear_weight=0.0)
    result = train(arrays, shuffled, model, TrainSettings(epochs=7, patience=0))
    assert max(e.val_map or 0 for e in result.history) > (result.history[-1].val_map or 0)
    assert result.best_epoch == 6
    p = predict_genres(result.model, arrays, SPLIT.val)
    assert macro_ap(shuffled[SPLIT.val], p) == pytest.approx(result.history[-1].val_map)


def test_weights_are_averaged_over_the_last_steps() -> None:
    arrays, labels = planted(dimension=5)
    epochs = {e: TrainSettings(epochs=e, patience=0, batch_size=N_TRAIN, ema_decay=0.0) for e in (1, 2, 3)}
    w1, w2, w3 = (train(arrays, labels, ModelSettings(), epochs[e]).model.head.weight for e in (1, 2, 3))
    averaged = train(
        arrays,
        labels,
        ModelSettings(),
        TrainSettings(epochs=3, patience=0, batch_size=N_TRAIN, ema_decay=0.99),
    )
    expected = torch.lerp(torch.lerp(w1, w2, 1 - 2 / 11), w3, 1 - 3 / 12)  # the share kept warms up
    torch.testing.assert_close(averaged.model.head.weight, expected, atol=1e-6, rtol=1e-5)


def test_the_linear_classifier_is_trained_to_ridge_logistic_regression() -> None:
    """At the optimum of mean loss + ridge / 2 |V|^2, V is the mean of (truth - probability) x, divided by the ridge."""
    arrays, labels = planted(dimension=5)
    ridge = RIDGE / N_TRAIN
    settings = TrainSettings(
        epochs=300, patience=0, batch_size=N_TRAIN, learning_rate=5e-3, weight_decay=0.0, modality_dropout=0.0,
        ema_decay=0.9,
    )  # fmt: skip
    model = train(arrays, labels, ModelSettings(hidden_dim=4, ensemble_size=1, dropout=0.0), settings).model
    assert model.linear is not None
    batch = arrays.batch(SPLIT.train)
    pooled, present = model.pool(batch), batch.present(list(arrays.experts))
    error = torch.from_numpy(labels[SPLIT.train]).float() - torch.sigmoid(model.separate_logits(pooled, present)[-1])
    for i, name in enumerate(arrays.experts):
        x = torch.where(present[:, i : i + 1], pooled[name], 0.0)
        weight = model.state_dict()[f"linear.maps.{name}.weight"]
        torch.testing.assert_close(weight, error.T @ x / len(x) / ridge, atol=2e-3, rtol=0)
        assert weight.abs().max() > 0.05


def test_the_linear_weight_is_the_one_of_least_log_loss() -> None:
    arrays, labels = planted(dimension=5)
    settings = TrainSettings(epochs=4)
    model = train(arrays, labels, ModelSettings(), settings).model
    chosen = model.spec.settings.linear_weight
    losses = []
    for weight in WEIGHTS:
        model.set_linear_weight(weight)
        p, truth = predict_genres(model, arrays, SPLIT.val), labels[SPLIT.val]
        losses.append(-np.where(truth, np.log(p), np.log1p(-p)).mean())
    np.testing.assert_allclose(weight_losses(model, arrays, labels, SPLIT.val), losses, rtol=1e-5)
    assert chosen == WEIGHTS[int(np.argmin(losses))]
    assert train(arrays, labels, ModelSettings(linear_weight=0.4), settings).model.spec.settings.linear_weight == 0.4
    blind = TrainSettings(epochs=4, patience=0)  # nothing is chosen on validation films
    assert train(arrays, labels, ModelSettings(), blind).model.spec.settings.linear_weight == LINEAR_WEIGHT


@pytest.mark.parametrize("wrong", [{"loss": "hinge"}, {"ema_decay": 1.0}, {"patience": -1}, {"batch_size": 0}])
def test_impossible_settings_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        TrainSettings(**wrong)  # type: ignore[arg-type]
