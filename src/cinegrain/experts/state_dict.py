"""Published PyTorch checkpoints: read without unpickling anything but tensors, and turned into graph layers by name."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from cinegrain.errors import DataError, WeightsError
from cinegrain.experts.graph import GraphBuilder, fold_batch_norm
from cinegrain.types import Float32
from cinegrain.untrusted.safe_tensor import load_tensors

_NORM_KEYS = ("weight", "bias", "running_mean", "running_var")
_EPSILON = 1e-5  # PyTorch's default, which all networks read here keep
_COUNTER = "num_batches_tracked"  # only newer checkpoints have it, and only training needs it


class StateDict:
    """A checkpoint's tensors by name; remembers which were taken, so that another network's file is noticed."""

    def __init__(self, tensors: Mapping[str, Float32], *, network: str, origin: str) -> None:
        """Holds what was read.

        Args:
            tensors: Arrays by key.
            network: What it should be, for messages.
            origin: Where it came from, for messages.
        """
        self._left = dict(tensors)
        self._network = network
        self._origin = origin

    def take(self, name: str, shape: Sequence[int]) -> Float32:
        """The tensor of that name.

        Raises:
            WeightsError: If it is missing, has another shape or holds numbers that are not finite.
        """
        found = self._left.pop(name, None)
        if found is None:
            raise WeightsError(f"{self._refusal} lacks the layer {name}.")
        if found.shape != tuple(shape):
            raise WeightsError(f"{self._refusal} has {name} of shape {found.shape}, expected {tuple(shape)}.")
        if not np.isfinite(found).all():
            raise WeightsError(f"{self._refusal} has values in {name} that are not finite.")
        return found

    def finish(self) -> None:
        """Call when all layers are taken.

        Raises:
            WeightsError: If the checkpoint holds further layers.
        """
        left = [name for name in self._left if not name.endswith(_COUNTER)]
        if left:
            raise WeightsError(f"{self._refusal} holds {len(left)} further layers, for example {left[0]}.")

    @property
    def _refusal(self) -> str:
        return f"{self._origin} is not the expected {self._network} checkpoint (put the published file there): it"


def read_tensors(path: Path, *, network: str) -> dict[str, Float32]:
    """The tensors of a published checkpoint, unwrapped from {"state_dict": ...}.

    Args:
        path: The .pth or .pth.tar file.
        network: What it should be, for messages.

    Raises:
        WeightsError: If it is not a PyTorch state dict.
    """
    try:
        loaded = load_tensors(path)
    except DataError as error:
        raise WeightsError(
            f"{path} is not a {network} checkpoint: {error} Delete it and fetch the published file again."
        ) from error
    state = loaded.get("state_dict", loaded) if isinstance(loaded, Mapping) else None
    if not isinstance(state, Mapping) or not all(isinstance(value, np.ndarray) for value in state.values()):
        raise WeightsError(f"{path} is not a {network} checkpoint: it holds something else than named tensors.")
    return {str(key): value.astype(np.float32) for key, value in state.items()}


def read_state_dict(path: Path, *, network: str, rename: Callable[[str], str] = str) -> StateDict:
    """The same, to take layer by layer.

    Args:
        path: The .pth or .pth.tar file.
        network: What it should be, for messages.
        rename: From the file's keys, without the prefix `module.`, to those of the graph.

    Raises:
        WeightsError: If it is not a PyTorch state dict.
    """
    tensors = read_tensors(path, network=network)
    return StateDict(
        {rename(key.removeprefix("module.")): value for key, value in tensors.items()},
        network=network,
        origin=str(path),
    )


class TorchLayers:
    """Adds layers of a checkpoint to a graph by their names in PyTorch."""

    def __init__(self, state: StateDict) -> None:
        self.graph = GraphBuilder()
        self._state = state

    def conv(
        self,
        x: str,
        name: str,
        shape: Sequence[int],
        *,
        norm: str | None = None,
        bias: bool = True,
        stride: int | Sequence[int] = 1,
    ) -> str:
        """Convolution padded by half its kernel; with `norm` without bias and followed by that batch normalisation.

        Args:
            x: Input.
            name: Key of the layer without `.weight`.
            shape: Of its weight, (out, in, ...).
            norm: Key of the normalisation that follows; None if none does.
            bias: Whether a convolution without normalisation has one.
            stride: One for all axes, or one for each.
        """
        weight = self._state.take(f"{name}.weight", shape)
        if norm is not None:
            weight, shift = fold_batch_norm(weight, *self._norm_values(norm, shape[0]), epsilon=_EPSILON)
        elif bias:
            shift = self._state.take(f"{name}.bias", shape[:1])
        else:
            shift = np.zeros(shape[0], np.float32)
        half = [size // 2 for size in shape[2:]]
        return self.graph.conv(x, weight, shift, stride=stride, pads=[*half, *half])

    def norm_relu(self, x: str, name: str, width: int) -> str:
        """Batch normalisation that no convolution precedes, and ReLU."""
        values = (self.graph.constant(value) for value in self._norm_values(name, width))
        return self.relu(self.graph.add("BatchNormalization", x, *values, epsilon=_EPSILON))

    def linear(self, x: str, name: str, shape: Sequence[int]) -> str:
        """Fully connected layer with weight `shape` (out, in)."""
        weight = self.graph.constant(self._state.take(f"{name}.weight", shape))
        bias = self.graph.constant(self._state.take(f"{name}.bias", shape[:1]))
        return self.graph.add("Gemm", x, weight, bias, transB=1)

    def relu(self, x: str) -> str:
        """max(0, x)."""
        return self.graph.add("Relu", x)

    def max_pool(self, x: str, *, kernel: int, stride: int, pad: int = 0) -> str:
        """Largest value over square patches of a picture."""
        return self.graph.add("MaxPool", x, kernel_shape=[kernel] * 2, strides=[stride] * 2, pads=[pad] * 4)

    def classify(self, x: str, name: str, shape: Sequence[int]) -> None:
        """The end of a classifier: outputs `features` (means over all places) and `probabilities`.

        Args:
            x: Last feature maps.
            name: Key of the last linear layer.
            shape: Of its weight, (classes, d).
        """
        features = self.graph.add("Flatten", self.graph.add("GlobalAveragePool", x), output="features")
        self.graph.add("Softmax", self.linear(features, name, shape), axis=1, output="probabilities")

    def finish(self) -> GraphBuilder:
        """The graph, once the checkpoint has no layer left.

        Raises:
            WeightsError: If it has.
        """
        self._state.finish()
        return self.graph

    def _norm_values(self, name: str, width: int) -> list[Float32]:
        return [self._state.take(f"{name}.{key}", (width,)) for key in _NORM_KEYS]
