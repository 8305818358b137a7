"""Collaborative gating against plain float64 loops, and the invariances the method promises."""

import numpy as np
import pytest
import torch
from torch import Tensor

from cinegrain.models.batch import SceneBatch
from cinegrain.models.gating import CollaborativeGating
from cinegrain.models.genre_model import GenreModel, ModelSpec
from cinegrain.models.pooling import masked_mean
from cinegrain.settings import ModelSettings

DIMENSIONS = {"audio": 5, "location": 7, "motion": 3, "image": 6}
WIDTH = 4


def norm(x: np.ndarray) -> np.ndarray:
    return np.asarray(x / max(np.linalg.norm(x), 1e-12))


def slow_gating(gating: CollaborativeGating, pooled: dict[str, Tensor], present: Tensor) -> np.ndarray:
    """The equations, one trailer, one expert, one pair at a time."""
    weights = {k: v.double().numpy() for k, v in gating.state_dict().items()}

    def mlp(name: str, x: np.ndarray) -> np.ndarray:
        hidden = np.maximum(weights[f"{name}.0.weight"] @ x + weights[f"{name}.0.bias"], 0)
        return np.asarray(weights[f"{name}.2.weight"] @ hidden + weights[f"{name}.2.bias"])

    n, names = len(present), gating.experts
    z = np.zeros((n, len(names), WIDTH))
    for i in range(n):
        there = [e for e in range(len(names)) if present[i, e]]
        p = {
            e: norm(
                weights[f"project.{names[e]}.weight"] @ pooled[names[e]][i].double().numpy()
                + weights[f"project.{names[e]}.bias"]
            )
            for e in there
        }
        for e in there:
            u = [mlp("pair", np.concatenate([p[e], p[f]])) for f in there if f != e]
            context = mlp("context", np.mean(u, axis=0) if u else np.zeros(WIDTH))
            gate = 1 / (1 + np.exp(-(context + weights["own.weight"] @ p[e])))
            z[i, e] = norm(p[e] * gate)
    return z


@pytest.fixture
def pooled() -> dict[str, Tensor]:
    g = torch.Generator().manual_seed(1)
    return {name: torch.randn(6, d, generator=g) for name, d in DIMENSIONS.items()}


@pytest.fixture
def present() -> Tensor:
    mask = torch.ones(6, 4, dtype=torch.bool)
    mask[1, 0] = mask[2, 1] = mask[2, 2] = False
    mask[3, 1:] = False  # stands alone
    mask[4] = False  # nothing at all
    return mask


@pytest.fixture
def gating() -> CollaborativeGating:
    torch.manual_seed(0)
    return CollaborativeGating(DIMENSIONS, width=WIDTH).eval()


def test_equals_plain_loops(gating: CollaborativeGating, pooled: dict[str, Tensor], present: Tensor) -> None:
    z = gating(pooled, present).detach().numpy()
    np.testing.assert_allclose(z, slow_gating(gating, pooled, present), atol=2e-6)  # float32 against float64


def test_present_rows_are_unit_and_absent_rows_exactly_zero(
    gating: CollaborativeGating, pooled: dict[str, Tensor], present: Tensor
) -> None:
    lengths = gating(pooled, present).norm(dim=2)
    torch.testing.assert_close(lengths, present.float(), atol=1e-5, rtol=0)
    assert (lengths[~present] == 0).all()


def test_order_of_experts_does_not_matter(
    gating: CollaborativeGating, pooled: dict[str, Tensor], present: Tensor
) -> None:
    order = [2, 0, 3, 1]
    names = [gating.experts[i] for i in order]
    other = CollaborativeGating({name: DIMENSIONS[name] for name in names}, width=WIDTH).eval()
    other.load_state_dict(gating.state_dict())
    torch.testing.assert_close(other(pooled, present[:, order]), gating(pooled, present)[:, order])


def test_every_gate_comes_from_ungated_inputs(gating: CollaborativeGating, pooled: dict[str, Tensor]) -> None:
    """A reference that overwrites p while it loops gives the last expert another answer; ours must not be it."""
    present = torch.ones(6, 4, dtype=torch.bool)
    z = gating(pooled, present)
    projected = [torch.nn.functional.normalize(gating.project[n](pooled[n]), dim=1) for n in gating.experts]
    for e in range(4):
        others = [gating.pair(torch.cat([projected[e], projected[f]], dim=1)) for f in range(4) if f != e]
        gate = torch.sigmoid(gating.context(torch.stack(others).mean(0)) + gating.own(projected[e]))
        expected = torch.nn.functional.normalize(projected[e] * gate, dim=1)
        torch.testing.assert_close(z[:, e], expected, atol=1e-6, rtol=1e-5)


def test_gradients() -> None:
    torch.manual_seed(0)
    small = CollaborativeGating({"a": 3, "b": 2}, width=6).double()
    a = torch.randn(2, 3, dtype=torch.float64, requires_grad=True)
    b = torch.randn(2, 2, dtype=torch.float64, requires_grad=True)
    present = torch.tensor([[True, True], [True, False]])
    assert torch.autograd.gradcheck(lambda x, y: small({"a": x, "b": y}, present), (a, b))
    small({"a": a, "b": b}, present)[:, 0].sum().backward()
    assert b.grad is not None
    assert (b.grad[1] == 0).all(), "a gradient reached an expert that is masked out"
    assert (b.grad[0] != 0).any()


def spec() -> ModelSpec:
    modalities = {name: name for name in DIMENSIONS}
    return ModelSpec(DIMENSIONS, modalities, ("Action", "Comedy", "Drama"), ModelSettings(hidden_dim=8, dropout=0.0))


def random_batch(n: int = 5, s: int = 4) -> SceneBatch:
    g = torch.Generator().manual_seed(2)
    vectors = {name: torch.randn(n, s, d, generator=g) for name, d in DIMENSIONS.items()}
    masks = {name: torch.rand(n, s, generator=g) > 0.3 for name in DIMENSIONS}
    masks["audio"][0] = False
    masks["image"][:, 0] = True
    return SceneBatch(vectors, masks)


def test_nothing_in_masked_places_matters() -> None:
    torch.manual_seed(0)
    model, batch = GenreModel(spec()).eval(), random_batch()
    poisoned = SceneBatch(
        {name: v.masked_fill(~batch.masks[name][..., None], float("nan")) for name, v in batch.vectors.items()},
        batch.masks,
    )
    torch.testing.assert_close(model(poisoned), model(batch), rtol=0, atol=0)
    model(poisoned).sum().backward()
    assert all(p.grad is None or torch.isfinite(p.grad).all() for p in model.parameters())


def test_one_trailer_alone_equals_the_same_in_a_batch() -> None:
    torch.manual_seed(0)
    model, batch = GenreModel(spec()).eval(), random_batch()
    alone = SceneBatch({k: v[2:3] for k, v in batch.vectors.items()}, {k: m[2:3] for k, m in batch.masks.items()})
    torch.testing.assert_close(model(alone)[0], model(batch)[2], atol=1e-6, rtol=1e-5)


def test_padding_and_order_of_scenes_do_not_matter() -> None:
    torch.manual_seed(0)
    model, batch = GenreModel(spec()).eval(), random_batch()
    order = torch.tensor([2, 0, 3, 1])
    padded = SceneBatch(
        {k: torch.cat([v[:, order], torch.full((5, 3, v.shape[2]), 9.0)], dim=1) for k, v in batch.vectors.items()},
        {k: torch.cat([m[:, order], torch.zeros(5, 3, dtype=torch.bool)], dim=1) for k, m in batch.masks.items()},
    )
    torch.testing.assert_close(model(padded), model(batch), atol=1e-5, rtol=1e-5)


def test_trailer_without_any_expert_gets_the_bias_and_a_zero_embedding() -> None:
    torch.manual_seed(0)
    model, batch = GenreModel(spec()).eval(), random_batch()
    nothing = batch.keep_experts({name: torch.zeros(5, dtype=torch.bool) for name in DIMENSIONS})
    torch.testing.assert_close(model(nothing), model.head.bias.expand(5, 3))
    assert (model.encode(nothing) == 0).all()


def test_prior_sets_the_answer_to_nothing() -> None:
    model = GenreModel(spec())
    model.set_prior(torch.tensor([0.25, 0.5, 0.0]))
    assert torch.sigmoid(model.head.bias).tolist() == pytest.approx([0.25, 0.5, 0.01])


def test_masked_mean_by_hand() -> None:
    values = torch.tensor([[[1.0], [3.0], [100.0]], [[5.0], [5.0], [5.0]]])
    mask = torch.tensor([[True, True, False], [False, False, False]])
    assert masked_mean(values, mask).tolist() == [[2.0], [0.0]]
