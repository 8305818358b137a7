"""How many threads a network is trained with."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

_MANY_FILMS = 5000


@contextmanager
def threads_for(n_films: int) -> Iterator[None]:
    """One thread where there are few films, all of torch's where there are many.

    Below 5,000 training films a step is some hundred operations of microseconds each. More threads gain nothing on
    them, and on a machine that does other work as well they wait for one another at every one.
    """
    usual = torch.get_num_threads()
    torch.set_num_threads(1 if n_films < _MANY_FILMS else usual)
    try:
        yield
    finally:
        torch.set_num_threads(usual)
