"""Distributed training over the processes that `accelerate launch` or `torchrun` start."""

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
    """A single process.

    Attributes:
        rank: Index of this process.
        count: Number of processes.
    """

    rank, count = 0, 1

    @property
    def is_main(self) -> bool:
        """Whether this process writes files and logs."""
        return self.rank == 0

    def shard(self, rows: Int64) -> Int64:
        """This process's part of a batch; the whole batch if it has fewer films than there are processes."""
        return rows if len(rows) < self.count else np.array_split(rows, self.count)[self.rank]

    def seed(self, seed: int) -> torch.Generator:
        """Seed this process, each differently; returns the generator for its shard."""
        own = seed + 1_000_003 * self.rank
        torch.manual_seed(own)
        return torch.Generator().manual_seed(own + 1)

    def prepare(self, loss: nn.Module, optimiser: torch.optim.Optimizer) -> tuple[nn.Module, torch.optim.Optimizer]:
        """Wrap the loss module and its optimiser so that all processes take the same step."""
        return loss, optimiser

    def backward(self, loss: Tensor) -> None:
        """Compute gradients, averaged over processes."""
        loss.backward()  # type: ignore[no-untyped-call]

    def total(self, values: Float64) -> Float64:
        """Sum over processes."""
        return values

    @contextmanager
    def main_first(self) -> Iterator[None]:
        """Run this block in the main process before the others."""
        yield

    def finish(self) -> None:
        """Wait for the other processes and leave the group."""


class LaunchedDevices(Devices):
    """One of several processes; accelerate wraps PyTorch's DistributedDataParallel."""

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
    """The processes that this one was launched with.

    Raises:
        ConfigError: If there are several and accelerate is not installed.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) < 2:
        return ALONE
    require("Training in several processes", "devices")
    from accelerate import Accelerator

    return LaunchedDevices(Accelerator(cpu=True))  # the networks are too small for a GPU to pay
