"""Number of threads for training."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from threadpoolctl import threadpool_limits

_MANY_FILMS = 5000


@contextmanager
def threads_for(n_films: int) -> Iterator[None]:
    """Use one thread of PyTorch and BLAS below 5,000 training films, the default number from there on.

    With few films a step is some hundred operations of microseconds each; synchronising threads costs more than they
    gain, above all on a busy machine.
    """
    if n_films >= _MANY_FILMS:
        yield
        return
    usual = torch.get_num_threads()
    with threadpool_limits(1):
        torch.set_num_threads(1)
        try:
            yield
        finally:
            torch.set_num_threads(usual)
