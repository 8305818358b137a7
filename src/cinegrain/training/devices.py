"""One process or several that train one network together, as `accelerate launch` or `torchrun` start them."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from cinegrain.extras import require
from cinegrain.types import Float64, Int64

if TYPE_CHECKING:
    from accelerate import Accelerator


class Devices:
    """This process alone; what several do differently is in `LaunchedDevices`.

    Attributes:
        rank: Number of this process, from 0.
        count: How many there are.
    """

    rank, count = 0, 1

    @property
    def is_main(self) -> bool:
        """Whether this process writes and speaks for all."""
        return self.rank == 0

    def share(self, rows: Int64) -> Int64:
        """The part of a batch that is this process's; all of it where there are fewer films than processes."""
        return rows if len(rows) < self.count else np.array_split(rows, self.count)[self.rank]

    def seed(self, seed: int) -> torch.Generator:
        """Seeds what is drawn within a share, so that processes draw differently; gives the source of chance for it."""
        own = seed + 1_000_003 * self.rank
        torch.manual_seed(own)
        return torch.Generator().manual_seed(own + 1)

    def prepare(self, loss: nn.Module, optimiser: torch.optim.Optimizer) -> tuple[nn.Module, torch.optim.Optimizer]:
        """The loss as a module and its optimiser, so that a step with them is the same in all processes."""
        return loss, optimiser

    def backward(self, loss: Tensor) -> None:
        """Computes gradients, the mean over processes."""
        loss.backward()  # type: ignore[no-untyped-call]

    def total(self, values: Float64) -> Float64:
        """Sum over processes, same shape."""
        return values

    @contextmanager
    def main_first(self) -> Iterator[None]:
        """The main process goes through this block before the others."""
        yield

    def finish(self) -> None:
        """Waits for the others and parts from them."""


class LaunchedDevices(Devices):
    """One of several processes, through accelerate: gradients meet in PyTorch's DistributedDataParallel."""

    def __init__(self, accelerator: "Accelerator") -> None:
        self._accelerator = accelerator
        self.rank, self.count = accelerator.process_index, accelerator.num_processes

    def prepare(self, loss: nn.Module, optimiser: torch.optim.Optimizer) -> tuple[nn.Module, torch.optim.Optimizer]:
        """See `Devices.prepare`."""
        prepared: tuple[nn.Module, torch.optim.Optimizer] = self._accelerator.prepare(loss, optimiser)
        return prepared

    def backward(self, loss: Tensor) -> None:
        """See `Devices.backward`."""
        self._accelerator.backward(loss)

    def total(self, values: Float64) -> Float64:
        """See `Devices.total`."""
        return np.asarray(self._accelerator.reduce(torch.from_numpy(values), "sum").numpy())

    @contextmanager
    def main_first(self) -> Iterator[None]:
        """See `Devices.main_first`."""
        with self._accelerator.main_process_first():
            yield

    def finish(self) -> None:
        """See `Devices.finish`."""
        self._accelerator.wait_for_everyone()
        self._accelerator.end_training()


ALONE = Devices()


def launched_devices() -> Devices:
    """What this process was started among.

    Raises:
        ConfigError: If it was started among several and accelerate is not installed.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) < 2:
        return ALONE
    require("Training in several processes", "devices")
    from accelerate import Accelerator

    return LaunchedDevices(Accelerator(cpu=True))  # networks this small are quick on processors
