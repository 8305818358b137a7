"""Runs independent tasks in parallel."""

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from joblib import Parallel, delayed
from threadpoolctl import threadpool_limits

T = TypeVar("T")


def side_by_side(tasks: Sequence[Callable[[], T]]) -> Iterator[T]:
    """Runs as many tasks in parallel as there are processors; returns their results in order.

    Each has one thread for matrix products, since more threads are slower at these sizes; so results do not depend on
    the number of processors.

    Args:
        tasks: Independent tasks.
    """
    with threadpool_limits(1):
        yield from Parallel(n_jobs=-1, backend="threading", return_as="generator")(delayed(_alone)(t) for t in tasks)


def _alone(task: Callable[[], T]) -> T:
    with threadpool_limits(1):  # OpenMP counts threads anew for every thread that asks
        return task()
