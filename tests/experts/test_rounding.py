"""Weights in 8 bits: no sum of two products leaves 16 bits, and layers keep their mean output."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from onnx import TensorProto, helper, numpy_helper

from cinegrain.experts.rounding import round_weights, weight_scales
from cinegrain.types import Float32, Float64

finite = st.floats(-100, 100, width=32).map(lambda x: x if abs(x) > 1e-3 else 0.0)
some_rows = arrays(np.float64, st.tuples(st.integers(1, 4), st.integers(1, 12)), elements=finite)


def whole_numbers(rows: Float64, scales: Float64) -> Float64:
    """Weights as ONNX Runtime's quantiser makes them: in float32, half to even."""
    return np.round(rows.astype(np.float32) / scales.astype(np.float32)[:, None]).astype(np.float64)


def pairs_in_16_bits(row: Float64) -> bool:
    """vpmaddubsw: whether any two weights with any two activations keep their sum, all pairs tried one by one."""
    for i in range(len(row)):
        for j in range(i + 1, len(row)):
            for a in (0, 255):
                for b in (0, 255):
                    total = a * row[i] + b * row[j]
                    if not -32768 <= total <= 32767:
                        return False
    return True


@given(some_rows)
@settings(max_examples=200, deadline=None)
def test_no_pair_of_products_leaves_16_bits(rows: Float64) -> None:
    for row in whole_numbers(rows, weight_scales(rows)):
        assert np.abs(row).max() <= 127
        assert pairs_in_16_bits(row)


@given(some_rows)
@settings(max_examples=100, deadline=None)
def test_the_scale_is_no_coarser_than_it_must_be(rows: Float64) -> None:
    """A finer scale by 2 % breaks one of the two rules: 1 in 127, and half a step of rounding, are less."""
    scales = weight_scales(rows)
    for row, scale in zip(rows, scales, strict=True):
        if row.any():
            finer = row / (0.98 * scale)
            largest = np.sort(np.abs(np.concatenate([row, [0.0]])))[-2:].sum() / (0.98 * scale)
            assert np.abs(finer).max() > 127 or largest > 128


def test_full_range_weights_would_leave_16_bits() -> None:
    """The usual rounding, and the check that finds it."""
    row = np.array([[1.0, 0.9, -0.2]])
    assert not pairs_in_16_bits(whole_numbers(row, np.abs(row).max(1) / 127)[0])
    assert pairs_in_16_bits(whole_numbers(row, np.abs(row).max(1) / 64)[0]), "7 bits"


def test_a_single_large_weight_keeps_8_bits() -> None:
    assert weight_scales(np.array([[127.0, 1.0, -1.0]]))[0] == pytest.approx(1.0, rel=1e-3)
    assert weight_scales(np.array([[127.0, -127.0, 1.0]]))[0] == pytest.approx(1.0, rel=1e-3), "of opposite signs"
    assert weight_scales(np.array([[127.0, 127.0]]))[0] == pytest.approx(127 / 64, rel=1e-3)
    assert weight_scales(np.zeros((1, 3)))[0] > 0


def network() -> onnx.ModelProto:
    """Every kind of product: convolutions (grouped, without bias, two that share weights), Gemm both ways, MatMul."""
    rng = np.random.default_rng(0)

    def weights(*shape: int) -> Float32:
        return rng.normal(0, 0.3, shape).astype(np.float32)

    constants = {
        "w1": weights(8, 3, 3, 3),
        "b": weights(8),
        "w2": weights(8, 2, 1, 1),
        "w3": weights(8, 8, 1, 1),
        "w4": weights(6, 8),
        "b4": weights(6),
        "w5": weights(6, 5),
        "b5": weights(5),
        "w6": weights(5, 5),
    }
    nodes = [
        helper.make_node("Conv", ["x", "w1", "b"], ["c1"], "plain"),
        helper.make_node("Relu", ["c1"], ["r1"], "relu"),
        helper.make_node("Conv", ["r1", "w2", "b"], ["c2"], "grouped", group=4),
        helper.make_node("Conv", ["c2", "w3"], ["c3"], "no bias"),
        helper.make_node("Conv", ["c3", "w3", "b"], ["c4"], "same weights"),
        helper.make_node("GlobalAveragePool", ["c4"], ["p"], "pool"),
        helper.make_node("Flatten", ["p"], ["f"], "flatten"),
        helper.make_node("Gemm", ["f", "w4", "b4"], ["g1"], "rows", transB=1),
        helper.make_node("Gemm", ["g1", "w5", "b5"], ["g2"], "columns"),
        helper.make_node("MatMul", ["g2", "w6"], ["m"], "constant"),
        helper.make_node("Transpose", ["m"], ["t"], "transpose"),
        helper.make_node("MatMul", ["m", "t"], ["y"], "two activations"),
    ]
    graph = helper.make_graph(
        nodes,
        "all",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, 8, 8])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in ("c1", "c2", "c3", "g1", "g2", "y")],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def batches() -> Iterator[dict[str, Float32]]:
    """Pictures of one colour, so that a layer without padding sees the same mean at every position."""
    rng = np.random.default_rng(1)
    for n in (4, 4, 2):
        yield {"x": np.tile(1 + rng.normal(0, 1, (n, 3, 1, 1)), (8, 8)).astype(np.float32)}


def outputs(model: onnx.ModelProto) -> dict[str, Float32]:
    session = ort.InferenceSession(model.SerializeToString())
    x = np.concatenate([batch["x"] for batch in batches()])
    return dict(zip([o.name for o in session.get_outputs()], session.run(None, {"x": x}), strict=True))


def test_rounded_layers_keep_their_mean_output() -> None:
    model = network()
    rounded = round_weights(model, batches())
    assert rounded.left_out == ["two activations"], "nothing bounds the second factor"
    assert set(rounded.ranges) == {"w1", "w2", "w3", "w4", "w5", "w6"}
    before, after = outputs(model), outputs(rounded.model)
    # The first layer sees the same inputs: only the rounding of float32 is left. Later inputs differ, after Relu.
    np.testing.assert_allclose(after["c1"].mean((0, 2, 3)), before["c1"].mean((0, 2, 3)), atol=2e-6)
    np.testing.assert_allclose(after["g2"].mean(0), before["g2"].mean(0), atol=0.01 * np.abs(before["g2"]).max())
    assert np.abs(after["c1"] - before["c1"]).max() > 1e-3, "single values do change"
    plain = onnx.ModelProto()
    plain.CopyFrom(rounded.model)
    for node in plain.graph.node:  # the rounded weights with the old biases, to see that the correction does something
        if node.op_type == "Conv" and node.name == "plain":
            node.input[2] = "old"
    plain.graph.initializer.append(numpy_helper.from_array(numpy_helper.to_array(_tensor(model, "b")), "old"))
    shift = outputs(plain)["c1"].mean((0, 2, 3)) - before["c1"].mean((0, 2, 3))
    assert np.abs(shift).max() > 1e-3


@pytest.mark.parametrize(("name", "group"), [("grouped", 4), ("no bias", 1)])
def test_each_bias_takes_what_rounding_loses(name: str, group: int) -> None:
    """Loops in float64 over channels: lost weight times mean input."""
    model = network()
    rounded = round_weights(model, batches()).model
    old, new = (next(n for n in m.graph.node if n.name == name) for m in (model, rounded))
    weight = numpy_helper.to_array(_tensor(model, old.input[1])).astype(np.float64)
    nearest = numpy_helper.to_array(_tensor(rounded, new.input[1])).astype(np.float64)
    bias = numpy_helper.to_array(_tensor(model, old.input[2])) if len(old.input) > 2 else np.zeros(8)
    given = np.maximum(outputs(model)["c1"], 0) if name == "grouped" else outputs(model)["c2"]
    mean = given.astype(np.float64).mean((0, 2, 3))
    found = numpy_helper.to_array(_tensor(rounded, new.input[2]))
    for channel in range(8):
        first = channel // (8 // group) * weight.shape[1]
        lost = sum((weight - nearest)[channel, i].sum() * mean[first + i] for i in range(weight.shape[1]))
        assert found[channel] == pytest.approx(bias[channel] + lost, abs=1e-6)


def test_layers_that_are_left_alone_keep_their_numbers() -> None:
    model = network()
    rounded = round_weights(model, batches(), exact=["plain"])
    assert rounded.left_out == ["plain", "two activations"]
    np.testing.assert_array_equal(outputs(rounded.model)["c1"], outputs(model)["c1"])
    assert "w1" not in rounded.ranges


def test_the_written_graph_has_these_weights(tmp_path: Path) -> None:
    """ONNX Runtime's quantiser takes the ranges: every channel of every product in the file obeys the rule."""
    from onnxruntime.quantization import CalibrationDataReader, quantize_static
    from onnxruntime.quantization.quant_utils import QuantFormat, QuantType

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self.rest = batches()

        def get_next(self) -> dict[str, Float32] | None:
            return next(self.rest, None)

    rounded = round_weights(network(), batches())
    quantize_static(
        rounded.model,
        str(tmp_path / "x.onnx"),
        Reader(),
        quant_format=QuantFormat.QDQ,
        per_channel=True,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
        nodes_to_exclude=rounded.left_out,
        extra_options={"TensorQuantOverrides": rounded.ranges},
    )
    written = onnx.load(str(tmp_path / "x.onnx"))
    found = {t.name: numpy_helper.to_array(t) for t in written.graph.initializer if t.data_type == TensorProto.INT8}
    checked = 0
    for name, ranges in rounded.ranges.items():
        whole = found[f"{name}_quantized"].astype(np.float64)
        rows = np.moveaxis(whole, ranges[0]["axis"], 0).reshape(len(ranges), -1)
        assert all(pairs_in_16_bits(row) for row in rows)
        assert np.abs(rows).max() > 64, "finer than 7 bits somewhere"
        checked += 1
    assert checked == 6
    assert outputs(written)["y"].shape == (10, 10)


def _tensor(model: onnx.ModelProto, name: str) -> onnx.TensorProto:
    return next(tensor for tensor in model.graph.initializer if tensor.name == name)
