"""A trained genre model as an ONNX graph, layer by layer."""

from collections.abc import Callable, Mapping
from functools import reduce
from pathlib import Path

import numpy as np
from onnx import TensorProto

from cinegrain.errors import ConfigError
from cinegrain.experts.graph import GraphBuilder
from cinegrain.models.genre_model import GenreModel
from cinegrain.types import Float64

PRESENT, LOGITS = "present", "logits"
_FLOAT, _BOOL = int(TensorProto.FLOAT), int(TensorProto.BOOL)
_TINY = np.float32(1e-12)


def mean_input(expert: str) -> str:
    """Name of the graph's input for an expert."""
    return f"mean_{expert}"


def save_graph(model: GenreModel, path: Path) -> None:
    """Writes the graph: mean scene vectors (n, d_e) by expert and `present` (n, e) to `logits` (n, g).

    What stands for an absent expert does not matter.

    Args:
        model: Trained; pooling by the mean, and a fusion of `_FUSIONS`.
        path: The .onnx file.

    Raises:
        ConfigError: If the model's pooling or fusion has no graph.
    """
    settings, spec = model.spec.settings, model.spec
    if settings.fusion not in _FUSIONS or not model.pools_means:
        raise ConfigError(
            f"Models with {settings.fusion} fusion and {settings.pooling} pooling cannot be exported. Train with "
            f"--model.pooling mean and --model.fusion {', '.join(_FUSIONS)}."
        )
    g = _Graph()
    here = g.add("Cast", PRESENT, to=_FLOAT)  # (n, e)
    weights = {name: value.detach().double().numpy() for name, value in model.state_dict().items()}
    total = _linear(g, weights, spec.experts, settings.linear_share) if model.linear is not None else ""
    share = (1 - settings.linear_share if total else 1) / len(model.members)
    for number in range(len(model.members)):
        part = {
            name.removeprefix(f"members.{number}."): value
            for name, value in weights.items()
            if name.startswith(f"members.{number}.")
        }
        encoded = [_project(g, weights, part, name, i) for i, name in enumerate(spec.experts)]
        readout = _FUSIONS[settings.fusion](g, part, g.stack(encoded), here)
        logits = g.linear(readout, weights["head.weight"][number] * share, None)
        total = g.add("Add", total, logits) if total else logits
    g.add("Add", total, g.constant(weights["head.bias"].astype(np.float32)), output=LOGITS)
    g.save(
        path,
        name="genres",
        inputs=[
            *((mean_input(name), _FLOAT, ("n", d)) for name, d in spec.dimensions.items()),
            (PRESENT, _BOOL, ("n", len(spec.experts))),
        ],
        outputs=[(LOGITS, ["n", len(spec.genres)])],
    )


class _Graph(GraphBuilder):
    """The few shapes of layer that the fusions share; encodings have the shape (n, e, d)."""

    def linear(self, x: str, weight: Float64, bias: Float64 | None) -> str:
        """As nn.Linear: weight (out, in)."""
        x = self.add("MatMul", x, self.constant(weight.T.astype(np.float32)))
        return x if bias is None else self.add("Add", x, self.constant(bias.astype(np.float32)))

    def axes(self, *axes: int) -> str:
        return self.constant(np.array(axes, dtype=np.int64))

    def stack(self, rows: list[str]) -> str:
        """(n, d) each to (n, e, d)."""
        return self.add("Concat", *(self.add("Unsqueeze", row, self.axes(1)) for row in rows), axis=1)

    def unit(self, x: str) -> str:
        """Unit length along the last axis; zero stays zero."""
        length = self.add("ReduceL2", x, axes=[-1], keepdims=1)
        return self.add("Div", x, self.add("Max", length, self.constant(_TINY)))

    def flat(self, x: str) -> str:
        """(n, e, d) to (n, e * d)."""
        return self.add("Flatten", x, axis=1)

    def only(self, x: str, here: str) -> str:
        """(n, e, d) with zeros where the expert is absent."""
        return self.add("Mul", x, self.add("Unsqueeze", here, self.axes(2)))


_Weights = Mapping[str, Float64]


def _project(g: _Graph, weights: _Weights, part: _Weights, name: str, column: int) -> str:
    """One expert's projection with the input scaling folded in; zero where absent."""
    key = f"project.{name}" if f"project.{name}.weight" in part else f"project.maps.{name}"
    weight, bias = part[f"{key}.weight"], part[f"{key}.bias"]
    mean, scale = weights[f"mean_{name}"], weights[f"scale_{name}"]
    there = g.add("Gather", PRESENT, g.constant(np.array([column], dtype=np.int64)), axis=1)  # (n, 1)
    x = g.add("Where", there, mean_input(name), g.constant(np.float32(0)))
    x = g.linear(x, weight * scale, bias - weight @ (mean * scale))
    return g.add("Where", there, x, g.constant(np.float32(0)))


def _linear(g: _Graph, weights: _Weights, experts: tuple[str, ...], share: float) -> str:
    """See LinearPath; each expert's part times the share."""
    parts = []
    for column, name in enumerate(experts):
        mean, scale = weights[f"mean_{name}"], weights[f"scale_{name}"]
        there = g.add("Gather", PRESENT, g.constant(np.array([column], dtype=np.int64)), axis=1)  # (n, 1)
        # The mean stands for what is absent, which is exactly nothing once it is scaled.
        x = g.add("Where", there, mean_input(name), g.constant(mean[None].astype(np.float32)))
        x = g.add("Mul", g.add("Add", x, g.constant(-mean.astype(np.float32))), g.constant(scale.astype(np.float32)))
        parts.append(g.linear(x, weights[f"linear.maps.{name}.weight"] * share, None))
    return reduce(lambda a, b: g.add("Add", a, b), parts)


def _gating(g: _Graph, part: _Weights, projected: str, here: str) -> str:
    """See CollaborativeGating."""
    p = g.unit(projected)
    n_experts = sum(name.startswith("project.") and name.endswith(".weight") for name in part)
    on_mine, on_other = np.split(part["pair.0.weight"], 2, axis=1)
    mine = g.add("Unsqueeze", g.linear(p, on_mine, part["pair.0.bias"]), g.axes(2))  # (n, e, 1, d)
    other = g.add("Unsqueeze", g.linear(p, on_other, None), g.axes(1))  # (n, 1, e, d)
    pairs = g.add("Relu", g.add("Add", mine, other))  # (n, e, e, d)
    not_self = g.constant((1 - np.eye(n_experts)).astype(np.float32))
    others = g.add("Mul", g.add("Unsqueeze", here, g.axes(1)), not_self)  # (n, e, e)
    count = g.add("ReduceSum", others, g.axes(2), keepdims=1)  # (n, e, 1)
    total = g.add("Squeeze", g.add("MatMul", g.add("Unsqueeze", others, g.axes(2)), pairs), g.axes(2))
    one = g.constant(np.float32(1))
    mean = g.add("Div", total, g.add("Max", count, one))
    relations = g.add("Mul", g.linear(mean, part["pair.2.weight"], part["pair.2.bias"]), g.add("Min", count, one))
    context = g.add("Relu", g.linear(relations, part["context.0.weight"], part["context.0.bias"]))
    context = g.linear(context, part["context.2.weight"], part["context.2.bias"])
    gate = g.add("Sigmoid", g.add("Add", context, g.linear(p, part["own.weight"], None)))
    return g.flat(g.only(g.unit(g.add("Mul", p, gate)), here))


def _units(g: _Graph, part: _Weights, projected: str, here: str) -> str:
    """See GatedUnits."""
    p = g.unit(projected)
    gate = g.add("Sigmoid", g.linear(p, part["own.weight"], part["own.bias"]))
    return g.flat(g.only(g.unit(g.add("Mul", p, gate)), here))


def _late(g: _Graph, part: _Weights, projected: str, here: str) -> str:
    """See LateFusion."""
    weight = g.add("Mul", here, g.constant(np.exp(part["weights"]).astype(np.float32)))
    total = g.add("ReduceSum", weight, g.axes(1), keepdims=1)
    share = g.add("Div", weight, g.add("Max", total, g.constant(_TINY)))
    return g.flat(g.only(g.unit(projected), share))


def _concat(g: _Graph, part: _Weights, projected: str, here: str) -> str:
    """See ConcatFusion."""
    del part, here
    hidden = g.add("ReduceSum", projected, g.axes(1), keepdims=0)
    error = g.add("Erf", g.add("Mul", hidden, g.constant(np.float32(0.5**0.5))))
    half = g.add("Mul", hidden, g.constant(np.float32(0.5)))
    return g.add("Mul", half, g.add("Add", error, g.constant(np.float32(1))))


_FUSIONS: Mapping[str, Callable[[_Graph, _Weights, str, str], str]] = {
    "gating": _gating,
    "units": _units,
    "late": _late,
    "concat": _concat,
}
