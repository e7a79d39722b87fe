"""The house keeps its plan: who imports whom, how large a room is, what is never called."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("crawler", "filters", "storage", "stages")
SOURCES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))

MOST_LINES = 400
LONGER: dict[str, int] = {}
"""File -> lines it may have: each an exception that somebody argued for."""


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.fixture(params=SOURCES, ids=name)
def module(request: pytest.FixtureRequest) -> ast.Module:
    return ast.parse(request.param.read_text("utf-8"))


def test_packages_import_each_other_as_planned() -> None:
    """The contracts are in pyproject.toml, under ``tool.importlinter``."""
    command = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    done = subprocess.run([sys.executable, "-c", command], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 broken" in done.stdout


def test_no_room_is_too_large() -> None:
    lines = {name(path): len(path.read_text("utf-8").splitlines()) for path in SOURCES}
    too_long = {n: count for n, count in lines.items() if count > LONGER.get(n, MOST_LINES)}
    assert too_long == {}
    assert {n for n in LONGER if lines.get(n, 0) <= MOST_LINES} == set()  # needed no longer


def test_there_is_no_room_for_odds_and_ends() -> None:
    odd = {"utils.py", "util.py", "helpers.py", "helper.py", "misc.py", "common.py"}
    assert [name(path) for path in SOURCES if path.name in odd] == []


FORBIDDEN_MODULES = {"pickle", "marshal", "shelve", "dill", "cloudpickle", "joblib"}
FORBIDDEN_CALLS = {"eval", "exec", "__import__", "os.system", "os.popen", "np.fromstring"}


def test_no_bytes_become_code(module: ast.Module) -> None:
    """No pickle, no eval, no shell: whatever comes from outside stays data."""
    for node in ast.walk(module):
        match node:
            case ast.Import():
                assert not {a.name.partition(".")[0] for a in node.names} & FORBIDDEN_MODULES
            case ast.ImportFrom():
                assert (node.module or "").partition(".")[0] not in FORBIDDEN_MODULES
                assert (node.module, "system") not in {(node.module, a.name) for a in node.names}
            case ast.Call():
                assert ast.unparse(node.func) not in FORBIDDEN_CALLS, ast.unparse(node)
                for keyword in node.keywords:
                    if keyword.arg in ("shell", "allow_pickle"):
                        assert ast.unparse(keyword.value) == "False", ast.unparse(node)


MUTABLE_CALLS = {"list", "dict", "set", "bytearray", "defaultdict", "deque", "Counter"}


def test_no_module_keeps_state(module: ast.Module) -> None:
    """Constants (``UPPER_CASE``) may be tables; nothing else on a module's level can change."""
    for node in ast.walk(module):
        assert not isinstance(node, ast.Global), ast.unparse(node)
    for target, value in _assigned(module):
        constant = target.lstrip("_").isupper() or target == "__all__"
        mutable = isinstance(value, (ast.List, ast.Dict, ast.Set, ast.ListComp, ast.DictComp))
        if isinstance(value, ast.Call):
            mutable = ast.unparse(value.func).rpartition(".")[2] in MUTABLE_CALLS
        assert constant or not mutable, target


def _assigned(module: ast.Module) -> Iterator[tuple[str, ast.expr | None]]:
    for node in module.body:
        if isinstance(node, ast.Assign):
            for target in node.targets:
                yield ast.unparse(target), node.value
        elif isinstance(node, ast.AnnAssign):
            yield ast.unparse(node.target), node.value


def test_every_module_says_what_it_is_for(module: ast.Module) -> None:
    assert not module.body or ast.get_docstring(module)
