"""Independent searches at the same time."""

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from joblib import Parallel, delayed
from threadpoolctl import threadpool_limits

T = TypeVar("T")


def side_by_side(tasks: Sequence[Callable[[], T]]) -> Iterator[T]:
    """Runs as many tasks at a time as there are processors, and gives what they return, in their order.

    Each has one thread for its matrix products: on matrices of this size more threads wait for one another more than
    they work. So results do not depend on the number of processors.

    Args:
        tasks: Share nothing that they change.
    """
    with threadpool_limits(1):
        yield from Parallel(n_jobs=-1, backend="threading", return_as="generator")(delayed(_alone)(t) for t in tasks)


def _alone(task: Callable[[], T]) -> T:
    with threadpool_limits(1):  # OpenMP counts threads anew for every thread that asks
        return task()
