"""How many threads a calculation within one picture may take: one."""

from __future__ import annotations

from typing import Any

VARIABLES = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS")
"""What says the same to a process that has yet to import numpy."""


class OneThread:
    """Keeps numpy's calculations to one thread from :meth:`begin` to :meth:`end`.

    Pictures are looked at side by side: more threads within one only wait for each other, which
    takes twice the CPU. It holds for the whole process, for BLAS has no other way; both are called
    by one thread, for OpenBLAS heeds nobody else afterwards.
    """

    def __init__(self) -> None:
        self._limits: Any = None

    def begin(self) -> None:
        """Before a picture is looked at; the first call counts."""
        if self._limits is None:
            # Only what is loaded can be told.
            import numpy  # noqa: F401
            from threadpoolctl import threadpool_limits

            self._limits = threadpool_limits(1, "blas")

    def end(self) -> None:
        """As it was before, where it had begun."""
        if self._limits is not None:
            self._limits.restore_original_limits()
            self._limits = None
