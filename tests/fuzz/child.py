"""One target in a process of its own: ``python -m tests.fuzz.child TARGET [libFuzzer flags]``.

TARGET is one of ours, or ``module:function``.
"""

from __future__ import annotations

import pkgutil
import sys

import atheris

with atheris.instrument_imports(include=["crawler", "filters", "storage", "zipfile", "json"]):
    from tests.fuzz.targets import TARGETS


def main() -> None:
    """Fuzz until a flag or a finding ends it; libFuzzer ends the process."""
    _, target, *flags = sys.argv
    function = TARGETS.get(target) or pkgutil.resolve_name(target)
    atheris.Setup([sys.argv[0], *flags], function)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
