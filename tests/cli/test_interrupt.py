import os
import signal
from contextlib import suppress

import pytest

from cinegrain.terminal import Interrupt, Lines


def test_a_swallowed_ctrl_c_stops_the_next_step() -> None:
    before = signal.getsignal(signal.SIGINT)
    try:
        Interrupt.listen()
        with Lines().stage("Work") as on_step:
            on_step(1, 3, "")
            with suppress(KeyboardInterrupt):  # as native code may do
                os.kill(os.getpid(), signal.SIGINT)
            with pytest.raises(KeyboardInterrupt):
                on_step(2, 3, "")
    finally:
        signal.signal(signal.SIGINT, before)
        Interrupt.heard = False
