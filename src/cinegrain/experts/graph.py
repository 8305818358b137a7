"""Builds ONNX graphs layer by layer from plain arrays, so that no expert needs the library it was trained in."""

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from cinegrain.experts.runtime import Runtime, Session
from cinegrain.types import Float32

_OPSET = 17
_IR_VERSION = 8


class GraphBuilder:
    """Adds one ONNX node after the other; every method takes and returns tensor names."""

    def __init__(self) -> None:
        self._nodes: list[onnx.NodeProto] = []
        self._weights: list[onnx.TensorProto] = []

    def constant(self, value: NDArray[np.generic] | np.generic) -> str:
        """Stores an array in the graph."""
        name = f"w{len(self._weights)}"
        self._weights.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def add(self, operator: str, *inputs: str, output: str | None = None, **attributes: Any) -> str:
        """Adds a node with one output; `output` names it where it is an output of the graph."""
        name = output or f"t{len(self._nodes)}"
        self._nodes.append(helper.make_node(operator, list(inputs), [name], **attributes))
        return name

    def conv(
        self,
        x: str,
        weight: Float32,
        bias: Float32,
        *,
        stride: int | Sequence[int] = 1,
        groups: int = 1,
        pads: Sequence[int] | None = None,
    ) -> str:
        """Convolution over any number of axes.

        Args:
            x: Input, shape (n, in, ...).
            weight: Shape (out, in / groups, ...).
            bias: Shape (out,).
            stride: One for all axes, or one for each.
            groups: As in PyTorch.
            pads: At the beginning of each axis, then at the end of each; without them TensorFlow's SAME.
        """
        kernel = weight.shape[2:]
        padding: dict[str, Any] = {"pads": list(pads)} if pads is not None else {"auto_pad": "SAME_UPPER"}
        return self.add(
            "Conv",
            x,
            self.constant(weight),
            self.constant(bias),
            strides=[stride] * len(kernel) if isinstance(stride, int) else list(stride),
            group=groups,
            kernel_shape=list(kernel),
            **padding,
        )

    def standardise(self, x: str, mean: Sequence[float], deviation: Sequence[float]) -> str:
        """(x / 255 - mean) / deviation for uint8 input whose last axis holds the channels."""
        scale = 1 / (255 * np.asarray(deviation))
        shift = -np.asarray(mean) / np.asarray(deviation)
        x = self.add("Cast", x, to=TensorProto.FLOAT)
        x = self.add("Mul", x, self.constant(scale.astype(np.float32)))
        return self.add("Add", x, self.constant(shift.astype(np.float32)))

    def save(
        self,
        path: Path,
        *,
        name: str,
        inputs: Sequence[tuple[str, int, Sequence[int | str]]],
        outputs: Sequence[tuple[str, Sequence[int | str]]],
    ) -> None:
        """Checks the graph and writes it atomically.

        Args:
            path: The .onnx file.
            name: Name of the graph.
            inputs: (name, ONNX element type, shape); a string in a shape is a free size.
            outputs: (name, shape), all float32.
        """
        graph = helper.make_graph(
            self._nodes,
            name,
            [helper.make_tensor_value_info(n, kind, list(shape)) for n, kind, shape in inputs],
            [helper.make_tensor_value_info(n, TensorProto.FLOAT, list(shape)) for n, shape in outputs],
            self._weights,
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=_IR_VERSION)
        onnx.checker.check_model(model, full_check=True)
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=".graph-") as folder:
            part = Path(folder) / path.name
            onnx.save(model, str(part))
            part.replace(path)


def fold_batch_norm(
    weight: Float32, gamma: Float32, beta: Float32, mean: Float32, variance: Float32, *, epsilon: float
) -> tuple[Float32, Float32]:
    """Weight and bias of the convolution that equals `weight` followed by batch normalisation.

    Args:
        weight: Shape (out, in, ...), any number of axes.
        gamma: Scale, shape (out,); beta, mean and variance likewise.
        beta: Shift.
        mean: Running mean.
        variance: Running variance.
        epsilon: Added to the variance.
    """
    scale = gamma.astype(np.float64) / np.sqrt(variance.astype(np.float64) + epsilon)
    folded = weight.astype(np.float64) * scale.reshape(-1, *[1] * (weight.ndim - 1))
    return folded.astype(np.float32), (beta - mean * scale).astype(np.float32)


def open_graph(path: Path, *, build: Callable[[Path], None], runtime: Runtime, singly: bool = False) -> Session:
    """A session over a cached graph, built first where it is not there yet.

    Args:
        path: The .onnx file in the cache.
        build: Writes it.
        runtime: How to run it.
        singly: Every call will bring exactly one item.

    Raises:
        WeightsError: If 8 bits are asked for and that version has not been made.
    """
    if not path.is_file():
        build(path)
    return runtime.open(path, singly=singly)


def run_batched(session: Session, name: str, items: NDArray[np.generic], *, batch: int) -> list[Float32]:
    """Runs a graph over `items` in as few batches as may be, of nearly the same size: a last one of one item is dear.

    Args:
        session: From `open_graph`.
        name: Its one input.
        items: Shape (n, ...), n >= 1.
        batch: Largest number of items in one call.

    Returns:
        One array for each output, first dimension n.
    """
    parts = [session.run(None, {name: part}) for part in np.array_split(items, -(-len(items) // batch))]
    return [np.concatenate(part) for part in zip(*parts, strict=True)]
