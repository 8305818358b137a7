"""How many threads a model is trained with."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from threadpoolctl import threadpool_limits

_MANY_FILMS = 5000


@contextmanager
def threads_for(n_films: int) -> Iterator[None]:
    """One thread, of torch and of matrix products, where there are few films; the usual number where there are many.

    Below 5,000 training films a step is some hundred operations of microseconds each. More threads gain nothing on
    them, and on a machine that does other work as well they wait for one another at every one.
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
