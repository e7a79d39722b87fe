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


CODE_FROM_BYTES = set(
    """
    pickle _pickle cPickle marshal shelve dill cloudpickle jsonpickle joblib copyreg dbm imp runpy
    code codeop tarfile yaml ruamel
    """.split()  # noqa: SIM905 - lists of names read better as words
)
"""Modules that make objects or code of bytes, or files of archives: no name of them is imported."""

FORBIDDEN_CALLS = {
    "bytes become code": "eval exec compile __import__ builtins.eval builtins.exec builtins.compile"
    " builtins.__import__ torch.load numpy.fromstring importlib.util.module_from_spec",
    "a shell": "os.system os.popen subprocess.getoutput subprocess.getstatusoutput pty.spawn"
    " asyncio.create_subprocess_shell asyncio.subprocess.create_subprocess_shell",
    "a name others can take first": "tempfile.mktemp os.tempnam",
    "an archive writes files": "shutil.unpack_archive",
    "nobody is asked who they are": "ssl._create_unverified_context",
}
FORBIDDEN_METHODS = {"extract", "extractall", "enable_load_extension", "load_extension"}
"""Of archives, which choose where files go, and of databases, which load libraries."""

ALWAYS_FALSE = {"shell", "allow_pickle"}
NEVER_FALSE = {"verify", "ssl", "verify_ssl", "check_hostname", "weights_only"}


def dangers(tree: ast.Module) -> list[str]:
    """Every place of a module where something from outside could do more than be data."""
    known = imported(tree)
    found = [
        f"line {node.lineno}: {problem}: {ast.unparse(node)}"
        for node in ast.walk(tree)
        if isinstance(node, (ast.Import, ast.ImportFrom, ast.Call))
        for problem in problems(node, known)
    ]
    return sorted(found)


def imported(tree: ast.Module) -> dict[str, str]:
    """What the names of a module mean: ``{"np": "numpy", "run": "subprocess.run"}``."""
    known: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            known |= {a.asname or a.name.partition(".")[0]: a.name for a in node.names if a.asname}
        elif isinstance(node, ast.ImportFrom):
            known |= {a.asname or a.name: f"{node.module}.{a.name}" for a in node.names}
    return known


def meaning(function: ast.expr, known: dict[str, str]) -> str:
    """The whole dotted name of what is called."""
    first, dot, rest = ast.unparse(function).partition(".")
    return known.get(first, first) + dot + rest


def problems(node: ast.Import | ast.ImportFrom | ast.Call, known: dict[str, str]) -> Iterator[str]:
    if isinstance(node, (ast.Import, ast.ImportFrom)):
        from_module = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        roots = {n.partition(".")[0] for n in (from_module or [a.name for a in node.names])}
        if roots & CODE_FROM_BYTES:
            yield "a module that trusts bytes"
        return
    called = meaning(node.func, known)
    yield from (why for why, names in FORBIDDEN_CALLS.items() if called in names.split())
    if called.startswith(("os.exec", "os.spawn", "os.posix_spawn")):
        yield "another program in place of ours"
    given = {keyword.arg: keyword.value for keyword in node.keywords}
    for name, value in given.items():
        is_false = isinstance(value, ast.Constant) and value.value is False
        if (name in ALWAYS_FALSE and not is_false) or (name in NEVER_FALSE and is_false):
            yield f"{name}={ast.unparse(value)}"
    if called == "PIL.Image.open" and "formats" not in given:
        yield "every decoder there is"
    if isinstance(node.func, ast.Attribute):
        if node.func.attr in FORBIDDEN_METHODS:
            yield "a method that trusts what it is given"
        ours = (
            isinstance(node.func.value, ast.Constant) or ast.unparse(node.func.value) == "super()"
        )
        if node.func.attr in ("format", "format_map") and not ours:
            yield "a format that is not written here"


OWN_PICTURES = {"crawler/demo/images.py", "crawler/demo/pictures.py"}
"""The demo site opens again what it has made or checked itself."""


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_nothing_from_outside_becomes_code_or_files(path: Path) -> None:
    """No pickle, no eval, no shell, no archive that writes: what comes from outside stays data."""
    found = dangers(ast.parse(path.read_text("utf-8")))
    if name(path) in OWN_PICTURES:
        found = [danger for danger in found if "every decoder" not in danger]
    assert found == []


@pytest.mark.parametrize(
    "source",
    """
    import pickle
    import dill.source
    from marshal import loads
    import yaml
    from tarfile import open
    eval(text)
    exec(text)
    compile(text, name, "exec")
    __import__(name)
    import builtins as b; b.eval(text)
    os.system(text)
    from os import popen; popen(text)
    import os as o; o.popen(text)
    os.execvp(name, words)
    subprocess.run(text, shell=True)
    subprocess.run(text, shell=chosen)
    from subprocess import getoutput as say; say(text)
    asyncio.create_subprocess_shell(text)
    zipfile.ZipFile(path).extractall(folder)
    archive.extract(member)
    shutil.unpack_archive(path)
    tempfile.mktemp()
    template.format(tags)
    "".join(words).format(tags)
    template.format_map(tags)
    import numpy as np; np.load(path, allow_pickle=True)
    torch.load(path)
    from PIL import Image; Image.open(path)
    import PIL.Image; PIL.Image.open(path)
    httpx.AsyncClient(verify=False)
    aiohttp.TCPConnector(ssl=False)
    db.enable_load_extension(True)
    """.strip().splitlines(),
)
def test_a_danger_is_seen(source: str) -> None:
    assert dangers(ast.parse(source.strip()))


@pytest.mark.parametrize(
    "source",
    """
    re.compile(pattern)
    "{} of {}".format(one, two)
    subprocess.run(words, shell=False)
    from PIL import Image; Image.open(file, formats=("PNG",))
    numpy.load(path, allow_pickle=False)
    archive.open(member)
    import json; json.loads(text)
    httpx.AsyncClient(verify=True)
    """.strip().splitlines(),
)
def test_what_is_no_danger_is_left_alone(source: str) -> None:
    assert dangers(ast.parse(source.strip())) == []


# -- names of files

FROM_OUTSIDE = set(
    """
    url location filename site_id page_url source_url file_url file_ext caption tags title artist
    headers metadata rating licence
    """.split()  # noqa: SIM905
)
"""What sources and servers say, as our records call it: nothing of it is part of a path."""

MAKES_PATHS = {"Path", "PurePath", "PosixPath", "PurePosixPath", "joinpath", "join"}
MAKES_PATHS |= {"with_name", "with_stem", "with_suffix", "NamedTemporaryFile", "mkstemp", "mkdtemp"}


def outside_names(tree: ast.Module) -> list[str]:
    """Every expression that makes a path of something that comes from outside."""
    return [
        f"line {node.lineno}: {ast.unparse(node)}"
        for node in ast.walk(tree)
        if makes_path(node) and not FROM_OUTSIDE.isdisjoint(words_in(node))
    ]


def makes_path(node: ast.AST) -> bool:
    if isinstance(node, ast.Call):
        named = ast.unparse(node.func).rpartition(".")
        text = named[2] == "join" and "path" not in named[0]  # " ".join(tags)
        return named[2] in MAKES_PATHS and not text
    return isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div)


def words_in(node: ast.AST) -> Iterator[str]:
    """Names, attributes and keys: ``url``, ``post.url``, ``post["url"]``, ``post.get("url")``."""
    for part in ast.walk(node):
        match part:
            case ast.Name(id=word) | ast.Attribute(attr=word):
                yield word
            case ast.Subscript(slice=ast.Constant(value=str(word))):
                yield word
            case ast.Call(func=ast.Attribute(attr="get"), args=[ast.Constant(value=str(word)), *_]):
                yield word


WRITES = {"write_bytes", "write_text", "touch", "mkdir", "makedirs", "rename", "renames"}
WRITES |= {"symlink_to", "hardlink_to", "link", "symlink", "copyfile", "copy2", "copytree", "move"}
WRITES |= {"mkstemp", "mkdtemp", "NamedTemporaryFile", "TemporaryFile", "TemporaryDirectory"}

WRITERS = {
    "crawler/acquire.py": "FileStore.temp",
    "crawler/http/resume.py": "FileStore.temp",
    "crawler/chain.py": "FileStore.temp",
    "crawler/credentials.py": "constants in the user's own folder",
    "crawler/execution.py": "the workspace",
    "crawler/cli/demonstration.py": "the folder that the user named",
    "crawler/cli/destination.py": "the folder that the user named",
    "crawler/cli/explained_picture.py": "a sha256 in the folder that the user named",
    "crawler/cli/looking.py": "a constant in a new temporary folder",
    "storage/disk.py": "nobody: they have none",
    "storage/database.py": "constants in the workspace",
    "storage/files.py": "uuid4, and a sha256 with a format of EXTENSIONS",
    "storage/hosts.py": "constants in the user's own folder",
    "storage/lock.py": "constants in the workspace",
    "storage/platform.py": "what it is given: it only syncs",
    "storage/suspects.py": "FileStore.temp and a sha256",
    "stages/export/layout.py": "the folder that the user named, and stages.names",
    "stages/export/placing.py": "the folder that the user named, and stages.names",
    "stages/watched.py": "the folder that the user named",
    "stages/export/sheet.py": "the file that the user named",
}
"""Who writes files, and where their names are from. The demo site, which is no crawl, is not asked.
"""


def writes(tree: ast.Module) -> list[str]:
    """Every call that opens a file for writing, makes a folder or gives a file a name."""
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return [f"line {call.lineno}: {ast.unparse(call)}" for call in calls if is_writing(call)]


def is_writing(call: ast.Call) -> bool:
    owner, _, called = ast.unparse(call.func).rpartition(".")
    if called == "open":
        return opens_to_write(call, owner)
    if called == "replace":  # a path has one name to take; text has two, and a record has fields
        return (owner == "os" or len(call.args) == 1) and not call.keywords
    return called in WRITES


def opens_to_write(call: ast.Call, owner: str) -> bool:
    if "os.devnull" in map(ast.unparse, call.args):
        return False
    if owner == "os":
        return ast.unparse(call.args[1]).split(" | ")[0] != "os.O_RDONLY"
    mode = next((k.value for k in call.keywords if k.arg == "mode"), None)
    if mode is None:
        mode = next(iter(call.args[0 if owner else 1 :]), ast.Constant("r"))
    if isinstance(mode, ast.Constant):
        return not {*str(mode.value)}.isdisjoint("wax+")
    return not owner  # a mode to be chosen; of other owners this is no file but a crawl, a picture


def test_no_name_of_a_file_comes_from_outside(module: ast.Module) -> None:
    assert outside_names(module) == []


def test_files_are_written_only_where_it_is_known_what_they_are_called() -> None:
    found = {
        name(path): writes(ast.parse(path.read_text("utf-8")))
        for path in SOURCES
        if not name(path).startswith("crawler/demo/")
    }
    unknown = {module: calls for module, calls in found.items() if calls and module not in WRITERS}
    assert unknown == {}
    assert {module for module in WRITERS if not found.get(module)} == set()  # needed no longer


@pytest.mark.parametrize(
    "source",
    """
    folder / candidate.site_id
    folder / f"{post['file_ext']}"
    Path(rung.location)
    folder.joinpath(row.get("filename"))
    path.with_suffix(headers["content-type"])
    os.path.join(folder, image.caption)
    """.strip().splitlines(),
)
def test_a_name_from_outside_is_seen(source: str) -> None:
    assert outside_names(ast.parse(source.strip()))


@pytest.mark.parametrize("source", ["' '.join(image.tags)", "folder / sha256", "width / height"])
def test_other_names_are_left_alone(source: str) -> None:
    assert outside_names(ast.parse(source)) == []


@pytest.mark.parametrize(
    "source",
    """
    open(path, "wb")
    open(path, mode)
    open(path, mode="r+b")
    path.open("xb")
    path.write_text(text)
    path.mkdir(parents=True)
    temp.replace(path)
    os.replace(temp, path)
    os.open(path, os.O_RDWR | os.O_CREAT)
    os.link(source, path)
    """.strip().splitlines(),
)
def test_writing_is_seen(source: str) -> None:
    assert writes(ast.parse(source.strip()))


@pytest.mark.parametrize(
    "source",
    ["open(path)", "path.open('rb')", "text.replace('a', 'b')", "replace(work, state=state)"],
)
def test_reading_is_left_alone(source: str) -> None:
    assert writes(ast.parse(source)) == []


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
