"""What every fusion promises, and what each of them computes."""

import numpy as np
import pytest
import torch
from torch import Tensor

from cinegrain.errors import ConfigError
from cinegrain.explain.influence import expert_influence
from cinegrain.models.batch import SceneBatch
from cinegrain.models.fusion import ConcatFusion, LateFusion
from cinegrain.models.genre_model import GenreModel, ModelSpec
from cinegrain.models.shape import BY_FILMS, for_films
from cinegrain.settings import AUTO, FUSIONS, Auto, ModelSettings

DIMENSIONS = {"audio": 5, "location": 7, "motion": 3, "image": 6}
GENRES = ("Action", "Comedy", "Drama")
N, S = 5, 4


def make(fusion: str, *, members: int = 2, share: float | Auto = AUTO) -> GenreModel:
    torch.manual_seed(0)
    settings = ModelSettings(fusion=fusion, hidden_dim=8, ensemble_size=members, dropout=0.3, linear_weight=share)
    model = GenreModel(ModelSpec(DIMENSIONS, {name: name for name in DIMENSIONS}, GENRES, settings))
    g = torch.Generator().manual_seed(1)
    model.set_statistics(
        {k: (torch.randn(d, generator=g), 0.5 + torch.rand(d, generator=g)) for k, d in DIMENSIONS.items()}
    )
    with torch.no_grad():
        for parameter in model.parameters():  # zeros at the start would hide what a part does
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=g))
    return model.eval()


@pytest.fixture
def batch() -> SceneBatch:
    g = torch.Generator().manual_seed(2)
    vectors = {name: torch.randn(N, S, d, generator=g) for name, d in DIMENSIONS.items()}
    masks = {name: torch.rand(N, S, generator=g) > 0.3 for name in DIMENSIONS}
    masks["image"][:, 0] = True
    masks["audio"][0] = False
    for name in ("audio", "location", "motion"):
        masks[name][1] = False  # one expert alone
    return SceneBatch(vectors, masks)


def fill_masked(batch: SceneBatch, value: float) -> SceneBatch:
    return SceneBatch(
        {k: v.masked_fill(~batch.masks[k][..., None], value) for k, v in batch.vectors.items()}, batch.masks
    )


@pytest.mark.parametrize("fusion", FUSIONS)
class TestEveryModel:
    def test_nothing_in_masked_places_matters(self, fusion: str, batch: SceneBatch) -> None:
        model = make(fusion)
        torch.testing.assert_close(model(fill_masked(batch, float("nan"))), model(batch), rtol=0, atol=0)
        torch.testing.assert_close(model(fill_masked(batch, 1e6)), model(batch), rtol=0, atol=0)

    def test_no_gradient_is_spoilt_by_masked_places(self, fusion: str, batch: SceneBatch) -> None:
        model = make(fusion).train()
        model(fill_masked(batch, float("nan"))).square().sum().backward()
        assert all(p.grad is None or torch.isfinite(p.grad).all() for p in model.parameters())

    def test_one_trailer_alone_equals_the_same_in_a_batch(self, fusion: str, batch: SceneBatch) -> None:
        model = make(fusion)
        for i in range(N):
            alone = SceneBatch(
                {k: v[i : i + 1] for k, v in batch.vectors.items()}, {k: m[i : i + 1] for k, m in batch.masks.items()}
            )
            torch.testing.assert_close(model(alone)[0], model(batch)[i], atol=1e-5, rtol=1e-5)

    def test_padding_and_order_of_scenes_do_not_matter(self, fusion: str, batch: SceneBatch) -> None:
        model, order = make(fusion), torch.tensor([2, 0, 3, 1])
        padded = SceneBatch(
            {k: torch.cat([v[:, order], torch.full((N, 3, v.shape[2]), 9.0)], dim=1) for k, v in batch.vectors.items()},
            {k: torch.cat([m[:, order], torch.zeros(N, 3, dtype=torch.bool)], dim=1) for k, m in batch.masks.items()},
        )
        torch.testing.assert_close(model(padded), model(batch), atol=1e-5, rtol=1e-5)

    def test_absent_experts_are_exactly_zero_and_present_ones_are_not(self, fusion: str, batch: SceneBatch) -> None:
        encoded = make(fusion).encode(batch)
        present = batch.present(list(DIMENSIONS))
        assert encoded.shape == (N, 4, 16)
        assert (encoded[~present] == 0).all()
        assert (encoded[present].norm(dim=1) > 0.1).all()

    def test_a_trailer_without_anything_gets_the_prior(self, fusion: str, batch: SceneBatch) -> None:
        model = make(fusion)
        nothing = batch.keep_experts({name: torch.zeros(N, dtype=torch.bool) for name in DIMENSIONS})
        torch.testing.assert_close(model(nothing), model.head.bias.expand(N, 3))
        assert (model.encode(nothing) == 0).all()

    def test_every_expert_and_every_scene_counts(self, fusion: str, batch: SceneBatch) -> None:
        model = make(fusion)
        before = model(batch)
        for name in DIMENSIONS:
            i, s = (int(x[0]) for x in torch.nonzero(batch.masks[name], as_tuple=True))
            changed = {k: v.clone() for k, v in batch.vectors.items()}
            changed[name][i, s] += 2.0
            after = model(SceneBatch(changed, batch.masks))
            assert (after[i] - before[i]).abs().max() > 1e-4
            others = [j for j in range(N) if j != i]
            torch.testing.assert_close(after[others], before[others])

    def test_influence_adds_up(self, fusion: str, batch: SceneBatch) -> None:
        model = make(fusion)
        influence = expert_influence(model, batch)
        np.testing.assert_allclose(influence.values.sum(axis=1), influence.full - influence.empty, atol=1e-5)
        np.testing.assert_allclose(influence.full, model(batch).detach().numpy(), atol=1e-5)
        assert (influence.values[0, 0] == 0).all(), "a mode that the trailer lacks has no influence"


def test_members_are_judged_apart_and_answer_together(batch: SceneBatch) -> None:
    model = make("gating", members=3)
    each = model.classify_members(model.encode(batch))
    assert each.shape == (3, N, 3)
    torch.testing.assert_close(model.classify(model.encode(batch)), each.mean(dim=0))
    assert (each[0] - each[1]).abs().max() > 1e-3
    model.zero_grad()
    each[1].sum().backward()  # type: ignore[no-untyped-call]
    grads = [[p.grad for p in member.parameters()] for member in model.members]
    assert all(g is None or not g.any() for g in grads[0] + grads[2]), "one member's loss reaches another"
    assert any(g is not None and g.any() for g in grads[1])


POOLED = {name: torch.randn(3, d, generator=torch.Generator().manual_seed(d)) for name, d in DIMENSIONS.items()}
PRESENT = torch.tensor([[True, True, True, True], [False, True, True, False], [True, False, False, False]])


def test_concat_is_an_mlp_on_the_concatenation() -> None:
    torch.manual_seed(0)
    fusion = ConcatFusion(DIMENSIONS, width=8, dropout=0.0).eval()
    joint = torch.cat(
        [torch.cat([POOLED[k], torch.ones(3, 1)], dim=1) * PRESENT[:, i : i + 1] for i, k in enumerate(DIMENSIONS)],
        dim=1,
    )
    w = fusion.state_dict()
    maps = [(w[f"project.maps.{k}.weight"], w[f"project.maps.{k}.bias"][:, None]) for k in DIMENSIONS]
    weight = torch.cat([part for pair in maps for part in pair], dim=1)
    torch.testing.assert_close(
        fusion.readout(fusion(POOLED, PRESENT)), torch.nn.functional.gelu(joint @ weight.T), atol=1e-6, rtol=1e-5
    )


def test_late_fusion_is_the_weighted_mean_of_single_answers() -> None:
    torch.manual_seed(0)
    fusion = LateFusion(DIMENSIONS, width=8, dropout=0.0).eval()
    with torch.no_grad():
        fusion.weights.copy_(torch.tensor([0.3, -0.2, 0.5, 0.0]))
    head = torch.randn(32, 3)
    alone = torch.stack([fusion.readout(fusion(POOLED, PRESENT & only)) @ head for only in torch.eye(4).bool()], dim=1)
    weight = torch.exp(fusion.weights) * PRESENT
    expected = (alone * (weight / weight.sum(dim=1, keepdim=True))[..., None]).sum(dim=1)
    torch.testing.assert_close(fusion.readout(fusion(POOLED, PRESENT)) @ head, expected, atol=1e-6, rtol=1e-5)


def test_the_linear_classifier_has_its_share_and_is_a_sum_over_experts(batch: SceneBatch) -> None:
    model = make("gating", share=0.3)
    means = {k: np.stack([slow_mean(v[i], batch.masks[k][i]) for i in range(N)]) for k, v in batch.vectors.items()}
    linear = np.tile(model.head.bias.detach().double().numpy(), (N, 1))
    for name, x in means.items():
        mean, scale = (model.get_buffer(f"{kind}_{name}").double().numpy() for kind in ("mean", "scale"))
        weight = model.state_dict()[f"linear.maps.{name}.weight"].double().numpy()
        linear += np.nan_to_num((x - mean) * scale) @ weight.T
    gated = model.classify(model.encode(batch)).detach().double().numpy()
    np.testing.assert_allclose(model(batch).detach().numpy(), 0.7 * gated + 0.3 * linear, atol=1e-5)
    assert model.linear is not None
    squares = sum(float(p.detach().double().square().sum()) for p in model.linear.parameters())
    assert model.linear.penalty().item() == pytest.approx(squares / 2 / len(GENRES), rel=1e-5)
    assert make("gating", share=0.0).linear is None


def test_the_linear_classifier_leaves_the_embedding_alone(batch: SceneBatch) -> None:
    model = make("gating")
    before = model.encode(batch)
    assert model.linear is not None
    with torch.no_grad():
        for parameter in model.linear.parameters():
            parameter.mul_(-3)
    assert model.encode(batch).equal(before)
    model.zero_grad()
    model.separate_logits(model.pool(batch), batch.present(list(DIMENSIONS)))[-1].sum().backward()  # type: ignore[no-untyped-call]
    assert all(p.grad is None or not p.grad.any() for p in model.members.parameters())


def slow_mean(scenes: Tensor, there: Tensor) -> np.ndarray:
    """NaN without any."""
    kept = scenes[there].double().numpy()
    return kept.mean(axis=0) if len(kept) else np.full(scenes.shape[1], np.nan)


def test_what_is_left_open_goes_by_the_number_of_films() -> None:
    small, large = for_films(ModelSettings(), 100), for_films(ModelSettings(), 1_000_000)
    assert small.hidden_dim < large.hidden_dim
    assert small.ensemble_size > large.ensemble_size
    assert small.dropout > large.dropout
    given = ModelSettings(hidden_dim=7, ensemble_size=2, dropout=0.0, linear_weight=0.0)
    assert vars(for_films(given, 100)) == vars(given)
    assert 0 < for_films(ModelSettings(), 100).linear_weight < 1
    assert [row.films for row in BY_FILMS] == sorted(row.films for row in BY_FILMS)


@pytest.mark.parametrize(
    "settings",
    [
        {"linear_weight": 1.0},
        {"fusion": "magic"},
        {"hidden_dim": 0},
        {"dropout": -1.0},
    ],
)
def test_impossible_settings_are_refused(settings: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        ModelSettings(**settings)  # type: ignore[arg-type]
