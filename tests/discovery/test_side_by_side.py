import time
from functools import partial

import pytest

from cinegrain.discovery.side_by_side import side_by_side


def test_results_come_in_order_and_errors_come_through() -> None:
    def slow_first(i: int) -> int:
        time.sleep(0.2 if i == 0 else 0.0)
        if i == 3:
            raise ZeroDivisionError
        return i

    assert list(side_by_side([partial(slow_first, i) for i in (0, 1, 2)])) == [0, 1, 2]
    assert list(side_by_side([])) == []
    with pytest.raises(ZeroDivisionError):
        list(side_by_side([partial(slow_first, i) for i in (0, 3)]))
