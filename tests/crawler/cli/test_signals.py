"""A signal while a folder is written ends it at once, in one line that says how to go on."""

from __future__ import annotations

import os
import signal
import time

import pytest

from crawler.cli.signals import interruptible
from crawler.errors import Interrupted


def interrupted(number: signal.Signals) -> None:
    with interruptible("stopped while it was written", "run it again"):
        os.kill(os.getpid(), number)
        time.sleep(5)
        pytest.fail("it went on")


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["INT", "TERM"]
)
def test_a_signal_ends_code_that_never_awaits(number: signal.Signals, code: int) -> None:
    before = signal.getsignal(number)
    with pytest.raises(Interrupted, match="stopped while") as caught:
        interrupted(number)
    assert (caught.value.exit_code, caught.value.hint) == (code, "run it again")
    assert signal.getsignal(number) is before
