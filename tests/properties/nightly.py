"""The state machine for a night: ``python -m tests.properties.nightly [STEPS]``, 10,000 by default.

Every run takes other examples; a failing one is shrunk and printed as the shortest sequence of
steps that fails.
"""

from __future__ import annotations

import sys
import time

from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.properties.machine import Catalog

EXAMPLES, STEPS = 50, 50


def main(steps: int = 10_000) -> None:
    """Run at least so many steps of the machine; an AssertionError tells of a broken promise."""
    began, examples = time.monotonic(), 0
    night = settings(
        max_examples=EXAMPLES,
        stateful_step_count=STEPS,
        deadline=None,
        derandomize=False,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    while Catalog.steps < steps:
        run_state_machine_as_test(Catalog, settings=night)
        examples += EXAMPLES
    took = time.monotonic() - began
    print(f"{Catalog.steps} steps in {examples} examples: nothing broke ({took:.0f} s)")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
