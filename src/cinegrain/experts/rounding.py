"""Rounds a graph's weights to 8 bits so that every processor computes the same products.

In: an fp32 graph and inputs to calibrate with. Out: the graph with rounded weights and corrected biases, the range of
each weight tensor for ONNX Runtime's quantiser, and the nodes that must stay fp32.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
from numpy.typing import NDArray
from onnx import numpy_helper

from cinegrain.types import Float64

_PRODUCTS = ("Conv", "ConvTranspose", "Gemm", "MatMul")
_MAX_WEIGHT = 127
# x86 without VNNI adds two products, each of an unsigned 8-bit activation and a signed weight, in 16 bits and saturates
# there (vpmaddubsw). 255 x 128 = 32,640 fits; the margin keeps the rounded sum at 128 whatever float32 does to it.
_MAX_PAIR = 128 - 0.01


@dataclass(frozen=True)
class RoundedGraph:
    """A graph ready to be quantised.

    Attributes:
        model: Weights are multiples of their channel's scale; biases make up for what rounding takes away on average.
        ranges: By name of a weight tensor: range of each output channel, as ONNX Runtime's `TensorQuantOverrides`.
        left_out: Nodes that must stay fp32: the given ones, and products whose second factor is no constant matrix.
    """

    model: onnx.ModelProto
    ranges: dict[str, list[dict[str, Any]]]
    left_out: list[str]


def round_weights(
    model: onnx.ModelProto, batches: Iterable[Mapping[str, NDArray[np.generic]]], exact: Iterable[str] = ()
) -> RoundedGraph:
    """Rounds all weights that 8-bit products take.

    Args:
        model: The fp32 graph; every node has a name.
        batches: Inputs to calibrate with; they give the mean input of each layer.
        exact: Names of nodes to leave alone.

    Source: the correction of biases is that of Nagel et al. 2019, arXiv:1906.04721, section 4.2, with measured means.
    """
    rounded = onnx.ModelProto()
    rounded.CopyFrom(model)
    originals = {tensor.name: tensor for tensor in model.graph.initializer}
    weights = {tensor.name: tensor for tensor in rounded.graph.initializer}
    left_out = set(exact)
    products = [node for node in rounded.graph.node if node.op_type in _PRODUCTS]
    left_out |= {node.name for node in products if not _is_plain(node, originals)}
    nodes = [node for node in products if node.name not in left_out]
    means = _mean_inputs(model, {node.input[0] for node in nodes if node.op_type != "MatMul"}, batches)
    ranges = {}
    for node in nodes:
        weight = numpy_helper.to_array(originals[node.input[1]]).astype(np.float64)
        axis = _channel_axis(node)
        channels = np.moveaxis(weight, axis, 0)
        scales = weight_scales(channels.reshape(len(channels), -1))
        by_channel = scales.reshape(-1, *[1] * (channels.ndim - 1))
        nearest = np.round(channels / by_channel) * by_channel
        if node.op_type != "MatMul":  # which has no bias
            _add_to_bias(rounded.graph, node, originals, _mean_output(channels - nearest, means[node.input[0]]))
        stored = np.ascontiguousarray(np.moveaxis(nearest, 0, axis), np.float32)
        weights[node.input[1]].CopyFrom(numpy_helper.from_array(stored, node.input[1]))
        ranges[node.input[1]] = [
            {"axis": axis, "rmin": np.float32(-_MAX_WEIGHT * scale), "rmax": np.float32(_MAX_WEIGHT * scale)}
            for scale in scales
        ]
    _drop_unused(rounded.graph, {node.input[2] for node in model.graph.node if len(node.input) > 2})
    return RoundedGraph(rounded, ranges, sorted(left_out))


def weight_scales(rows: Float64) -> Float64:
    """Finest scale of each output channel at which no sum of two 8-bit products leaves 16 bits.

    Weights are rounded to multiples of it; at most 127 each, and at most 128 together for any two of one sign, so that
    channels with a single large weight keep nearly all of 8 bits.

    Args:
        rows: Weights, shape (output channels, weights).

    Returns:
        Scales, shape (output channels,), > 0.
    """
    ordered = np.sort(np.pad(rows, ((0, 0), (2, 2))), axis=1)  # zeros change no sum of two
    pairs = np.maximum(ordered[:, -2:].sum(1), -ordered[:, :2].sum(1))
    scales: Float64 = np.maximum(np.abs(rows).max(1) / _MAX_WEIGHT, pairs / _MAX_PAIR)
    return np.where(scales > 0, scales, 1.0)


def _is_plain(node: onnx.NodeProto, weights: Mapping[str, onnx.TensorProto]) -> bool:
    """Whether a node multiplies by constant weights whose output channels are known."""
    weight = weights.get(node.input[1])
    if weight is None or (len(node.input) > 2 and node.input[2] and node.input[2] not in weights):
        return False
    return node.op_type == "Conv" or (node.op_type in ("Gemm", "MatMul") and len(weight.dims) == 2)


def _channel_axis(node: onnx.NodeProto) -> int:
    """Axis of the output channels in a node's weights."""
    transposed = any(entry.name == "transB" and entry.i for entry in node.attribute)
    return 0 if node.op_type == "Conv" or transposed else 1


def _mean_inputs(
    model: onnx.ModelProto, names: set[str], batches: Iterable[Mapping[str, NDArray[np.generic]]]
) -> dict[str, Float64]:
    """Mean of each tensor over items and positions, shape (channels,)."""
    if not names:
        return {}
    watched = onnx.ModelProto()
    watched.CopyFrom(model)
    consumers = {node.input[0]: node.op_type for node in model.graph.node if node.op_type in _PRODUCTS}
    order = sorted(names)
    outputs = [f"mean of {name}" for name in order]
    for name, output in zip(order, outputs, strict=True):
        operator = "GlobalAveragePool" if consumers[name] == "Conv" else "Identity"
        watched.graph.node.append(onnx.helper.make_node(operator, [name], [output]))
        watched.graph.output.append(onnx.helper.make_empty_tensor_value_info(output))
    session = ort.InferenceSession(watched.SerializeToString(), providers=["CPUExecutionProvider"])
    found: list[list[Float64]] = [[] for _ in order]
    for batch in batches:
        for rows, value in zip(found, session.run(outputs, dict(batch)), strict=True):
            rows.extend(value.reshape(value.shape[:2]).astype(np.float64))
    return {name: np.mean(rows, axis=0) for name, rows in zip(order, found, strict=True)}


def _mean_output(weight: Float64, mean: Float64) -> Float64:
    """Mean output of a layer without bias, shape (out,); the padding at the borders is taken for more of the input.

    Args:
        weight: Shape (out, in / groups, ...).
        mean: Of the input, shape (in,).
    """
    out, depth = weight.shape[:2]
    by_group = mean.reshape(-1, depth)
    of_channel = np.repeat(by_group, out // len(by_group), axis=0)
    result: Float64 = (weight.reshape(out, depth, -1).sum(2) * of_channel).sum(1)
    return result


def _add_to_bias(
    graph: onnx.GraphProto, node: onnx.NodeProto, weights: Mapping[str, onnx.TensorProto], addition: Float64
) -> None:
    """Gives a node a bias of its own: two nodes may share one."""
    old = node.input[2] if len(node.input) > 2 else ""
    bias = addition + (numpy_helper.to_array(weights[old]) if old else 0.0)
    name = f"{node.name} bias"
    graph.initializer.append(numpy_helper.from_array(bias.astype(np.float32), name))
    del node.input[2:]
    node.input.append(name)


def _drop_unused(graph: onnx.GraphProto, candidates: set[str]) -> None:
    """Removes those of the candidates that no node takes any more."""
    unused = candidates - {name for node in graph.node for name in node.input}
    kept = [tensor for tensor in graph.initializer if tensor.name not in unused]
    del graph.initializer[:]
    graph.initializer.extend(kept)
