"""The paper's networks in plain eager PyTorch, and random checkpoints in exactly their published format.

A network here is a function of its weights and an input. Weights come from `Weights`, which makes each tensor when it
is first asked for, so that one run on any input leaves a whole state dict behind.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor


class Weights:
    """Random tensors by name. Large ones are overlapping views of few numbers, so that files stay small."""

    def __init__(self, seed: int, *, counters: bool) -> None:
        self.state: dict[str, Tensor] = {}
        self._random = torch.Generator().manual_seed(seed)
        self._counters = counters

    def __call__(self, name: str, *shape: int) -> Tensor:
        if name not in self.state:
            self.state[name] = self._make(shape)
        return self.state[name]

    def _make(self, shape: tuple[int, ...]) -> Tensor:
        if len(shape) == 1:
            return torch.randn(shape, generator=self._random) * 0.1
        strides = [1]
        for size in reversed(shape[2:]):
            strides.insert(0, strides[0] * size)
        fan_in = strides[0] * shape[1]
        few = torch.randn(7 * (shape[0] - 1) + fan_in, generator=self._random) * (2 / fan_in) ** 0.5
        made: Tensor = few.as_strided(shape, (7, *strides))
        return made

    def norm(self, x: Tensor, name: str) -> Tensor:
        width = x.shape[1]
        if f"{name}.weight" not in self.state:
            self(f"{name}.weight", width).abs_().add_(0.8)
            self(f"{name}.bias", width)
            self(f"{name}.running_mean", width)
            self(f"{name}.running_var", width).abs_().add_(0.8)
            if self._counters:
                self.state[f"{name}.num_batches_tracked"] = torch.tensor(7)
        s = self.state
        mean, variance = s[f"{name}.running_mean"], s[f"{name}.running_var"]
        return F.batch_norm(x, mean, variance, s[f"{name}.weight"], s[f"{name}.bias"], eps=1e-5)

    def conv2d(self, x: Tensor, name: str, out: int, size: int, stride: int = 1) -> Tensor:
        return F.conv2d(x, self(f"{name}.weight", out, x.shape[1], size, size), stride=stride, padding=size // 2)

    def conv3d(
        self, x: Tensor, name: str, out: int, size: tuple[int, int, int], stride: tuple[int, int, int]
    ) -> Tensor:
        weight = self(f"{name}.weight", out, x.shape[1], *size)
        return F.conv3d(x, weight, stride=stride, padding=tuple(s // 2 for s in size))

    def linear(self, x: Tensor, name: str, out: int) -> Tensor:
        return F.linear(x, self(f"{name}.weight", out, x.shape[1]), self(f"{name}.bias", out))


def classified(w: Weights, x: Tensor, name: str, n_classes: int) -> list[Tensor]:
    """Features and probabilities; small random weights, so that no word takes all."""
    if f"{name}.weight" not in w.state:
        w.state[f"{name}.weight"] = w(f"{name}.weight", n_classes, x.shape[1]) * 0.03
    return [x, w.linear(x, name, n_classes).softmax(1)]


def standardised(x: Tensor, mean: list[float], deviation: list[float]) -> Tensor:
    """uint8 (..., 3) to float with the channel as the second axis."""
    return ((x.float() / 255 - torch.tensor(mean)) / torch.tensor(deviation)).movedim(-1, 1)


def resnet50(n_classes: int) -> Callable[[Weights, Tensor], list[Tensor]]:
    """Table 1 of He et al. 2016 with the stride in the 3x3 convolutions."""

    def run(w: Weights, frames: Tensor) -> list[Tensor]:
        x = standardised(frames, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
        x = F.max_pool2d(F.relu(w.norm(w.conv2d(x, "conv1", 64, 7, 2), "bn1")), 3, 2, 1)
        for stage, blocks in ((1, 3), (2, 4), (3, 6), (4, 3)):
            for block in range(blocks):
                name, inner, stride = f"layer{stage}.{block}", 32 * 2**stage, 2 if stage > 1 and block == 0 else 1
                y = F.relu(w.norm(w.conv2d(x, f"{name}.conv1", inner, 1), f"{name}.bn1"))
                y = F.relu(w.norm(w.conv2d(y, f"{name}.conv2", inner, 3, stride), f"{name}.bn2"))
                y = w.norm(w.conv2d(y, f"{name}.conv3", 4 * inner, 1), f"{name}.bn3")
                if block == 0:
                    x = w.norm(w.conv2d(x, f"{name}.downsample.0", 4 * inner, 1, stride), f"{name}.downsample.1")
                x = F.relu(x + y)
        return classified(w, x.mean((2, 3)), "fc", n_classes)

    return run


def densenet161(w: Weights, frames: Tensor) -> list[Tensor]:
    """Huang et al. 2017 with growth rate 48, by the key names of 2017."""
    x = standardised(frames, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
    x = F.max_pool2d(F.relu(w.norm(w.conv2d(x, "features.conv0", 96, 7, 2), "features.norm0")), 3, 2, 1)
    for block, n_layers in enumerate((6, 12, 36, 24), start=1):
        for layer in range(1, n_layers + 1):
            name = f"features.denseblock{block}.denselayer{layer}"
            y = w.conv2d(F.relu(w.norm(x, f"{name}.norm.1")), f"{name}.conv.1", 192, 1)
            y = w.conv2d(F.relu(w.norm(y, f"{name}.norm.2")), f"{name}.conv.2", 48, 3)
            x = torch.cat([x, y], 1)
        if block < 4:
            name = f"features.transition{block}"
            x = F.avg_pool2d(w.conv2d(F.relu(w.norm(x, f"{name}.norm")), f"{name}.conv", x.shape[1] // 2, 1), 2)
    return classified(w, F.relu(w.norm(x, "features.norm5")).mean((2, 3)), "classifier", 365)


def vggish(w: Weights, patches: Tensor) -> list[Tensor]:
    """Configuration A of VGG with fewer layers, on (n, 1, 96, 64); flattened row, column, channel."""
    x = patches
    for position, out, pooled in (
        (0, 64, True),
        (3, 128, True),
        (6, 256, False),
        (8, 256, True),
        (11, 512, False),
        (13, 512, True),
    ):
        weight = w(f"features.{position}.weight", out, x.shape[1], 3, 3)
        x = F.relu(F.conv2d(x, weight, w(f"features.{position}.bias", out), padding=1))
        x = F.max_pool2d(x, 2) if pooled else x
    x = x.permute(0, 2, 3, 1).flatten(1)
    for position, out in ((0, 4096), (2, 4096), (4, 128)):
        x = F.relu(w.linear(x, f"embeddings.{position}", out))
    return [x]


KINETICS = ([0.43216, 0.394666, 0.37645], [0.22803, 0.22145, 0.216989])


def r3d_18(w: Weights, clips: Tensor) -> list[Tensor]:
    """Tran et al. 2018: a ResNet-18 of 3x3x3 convolutions."""
    x = standardised(clips, *KINETICS)
    x = F.relu(w.norm(w.conv3d(x, "stem.0", 64, (3, 7, 7), (1, 2, 2)), "stem.1"))

    def conv(x: Tensor, name: str, out: int, stride: int, middle: int) -> Tensor:
        return w.norm(w.conv3d(x, f"{name}.0", out, (3, 3, 3), (stride,) * 3), f"{name}.1")

    return _blocks(w, x, conv)


def r2plus1d_18(w: Weights, clips: Tensor) -> list[Tensor]:
    """Tran et al. 2018: the same with each convolution split into space and time."""
    x = standardised(clips, *KINETICS)
    x = F.relu(w.norm(w.conv3d(x, "stem.0", 45, (1, 7, 7), (1, 2, 2)), "stem.1"))
    x = F.relu(w.norm(w.conv3d(x, "stem.3", 64, (3, 1, 1), (1, 1, 1)), "stem.4"))

    def conv(x: Tensor, name: str, out: int, stride: int, middle: int) -> Tensor:
        x = F.relu(w.norm(w.conv3d(x, f"{name}.0.0", middle, (1, 3, 3), (1, stride, stride)), f"{name}.0.1"))
        return w.norm(w.conv3d(x, f"{name}.0.3", out, (3, 1, 1), (stride, 1, 1)), f"{name}.1")

    return _blocks(w, x, conv)


def _blocks(w: Weights, x: Tensor, conv: Callable[[Tensor, str, int, int, int], Tensor]) -> list[Tensor]:
    # Widths of the split convolutions as the published files have them.
    middles = {(1, 0): 144, (1, 1): 144, (2, 0): 230, (2, 1): 288, (3, 0): 460, (3, 1): 576, (4, 0): 921, (4, 1): 1152}
    for (stage, block), middle in middles.items():
        name, out, stride = f"layer{stage}.{block}", 32 * 2**stage, 2 if stage > 1 and block == 0 else 1
        y = conv(F.relu(conv(x, f"{name}.conv1", out, stride, middle)), f"{name}.conv2", out, 1, middle)
        if stride == 2:
            x = w.conv3d(x, f"{name}.downsample.0", out, (1, 1, 1), (2, 2, 2))
            x = w.norm(x, f"{name}.downsample.1")
        x = F.relu(x + y)
    return classified(w, x.mean((2, 3, 4)), "fc", 400)


def save_plain(state: dict[str, Tensor], path: Path) -> None:
    """As download.pytorch.org and torchvggish publish."""
    torch.save(state, path)


def save_places(state: dict[str, Tensor], path: Path) -> None:
    """As the Places365 training script saved: wrapped, from a parallel module, in the format of before 2020."""
    wrapped: dict[str, Any] = {"epoch": 90, "arch": "resnet50", "best_prec1": 54.77}
    wrapped["state_dict"] = {f"module.{name}": tensor for name, tensor in state.items()}
    torch.save(wrapped, path, _use_new_zipfile_serialization=False)
