"""A sample of the fuzzing: a minute for all targets from their seeds."""

from __future__ import annotations

import importlib.util
import random
from pathlib import Path

import pytest

from tests.fuzz.__main__ import fuzz, main
from tests.fuzz.seeds import seeds
from tests.fuzz.targets import TARGETS

SECONDS = 60
"""Of all targets together."""
needs_atheris = pytest.mark.skipif(
    importlib.util.find_spec("atheris") is None, reason="atheris has no wheel for this system"
)


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data:UserWarning")
@pytest.mark.parametrize("target", TARGETS)
def test_every_promise_holds_for_the_seeds_and_for_damaged_ones(target: str) -> None:
    chance = random.Random(target)
    assert seeds(target)
    for seed in seeds(target):
        TARGETS[target](seed)
        for _ in range(30):
            damaged = bytearray(seed)
            for _ in range(chance.randint(1, 4)):
                at = chance.randrange(len(damaged) + 1)
                damaged[at : at + chance.randint(0, 3)] = chance.randbytes(chance.randint(0, 3))
            TARGETS[target](bytes(damaged))


@needs_atheris
@pytest.mark.timeout(400)
def test_a_sample_of_fuzzing_finds_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status = main(["--seconds", str(SECONDS), "--seed", "1", "--out", str(tmp_path)])
    assert status == 0, capsys.readouterr().out


def broken(data: bytes) -> None:
    """Keeps its promise until somebody finds the sign."""
    if data.startswith(b"!"):
        raise AssertionError("the sign was found")


@needs_atheris
def test_a_broken_promise_is_found_and_kept(tmp_path: Path) -> None:
    ended = fuzz(f"{__name__}:broken", 60, tmp_path, seed=1)
    assert ended.failed
    assert "the sign was found" in ended.said
    (found,) = ended.findings
    with pytest.raises(AssertionError, match="sign"):
        broken(found.read_bytes())


def test_an_unknown_target_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["nothing"])
    assert ended.value.code == 2
    assert "no target called nothing" in capsys.readouterr().err
