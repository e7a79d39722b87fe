"""Pictures of this machine as a source."""

import json
import os
import shlex
from pathlib import Path
from typing import Any

import pytest

from crawler.adapters.base import Page, Predicate
from crawler.adapters.folder import PAGE, Folder, FolderOptions
from crawler.errors import RefusedQuery, UsageError
from filters.content import blocked
from storage.records import Candidate
from tests.crawler.adapters.conformance import AdapterConformance, Subject, Watched, ids


class NoNetwork:
    async def get_json(self, url: str, params: object = None) -> object:
        raise AssertionError(f"a folder asked for {url}")


def put(path: Path, data: bytes = b"x") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


class TestContract(AdapterConformance):
    @pytest.fixture
    def subject(self, tmp_path: Path) -> Subject:
        folder = tmp_path / "some pictures"
        for number in range(PAGE + 20):
            put(folder / f"{number % 7}" / f"{number}.png")
        put(folder / "notes.pdf")

        async def add() -> set[str]:
            put(folder / "3" / "1.jpg")
            put(folder / "new.webp")
            return {"3/1.jpg", "new.webp"}

        return Subject(
            Folder(Folder.default_site, FolderOptions()),
            Watched(NoNetwork()),
            [str(folder)],
            [
                [f"{folder}/"],
                [str(folder / "3" / ".."), str(folder)],
                [str(folder / "3"), str(folder)],
            ],
            add,
            relists=True,
        )


async def pages(folder: Path, *, recursive: bool = True) -> list[Page]:
    adapter = Folder(Folder.default_site, FolderOptions(recursive=recursive))
    (part,) = adapter.partitions(adapter.canonical([str(folder)]), Predicate())
    return [page async for page in adapter.discover(part, None, NoNetwork())]


async def test_a_file_is_a_work_with_one_rung(tmp_path: Path) -> None:
    put(tmp_path / "b" / "a.JPEG", b"12345")
    put(tmp_path / "b" / "a.txt", b"cirno, solo")
    ((work,),) = [page.candidates for page in await pages(tmp_path)]
    (rung,) = work.ladder
    assert (work.site, work.origin, work.site_id) == ("folder", str(tmp_path), "b/a.JPEG")
    assert (rung.location, rung.kind) == (str(tmp_path / "b" / "a.JPEG"), "file")
    assert (rung.bytes, rung.format, rung.width, rung.md5) == (5, "jpg", None, None)
    assert work.tags == {"": ("cirno", "solo")}


async def test_paths_come_in_their_order_part_by_part(tmp_path: Path) -> None:
    for name in ("b.png", "a/z.png", "a-b/c.png", "a.png", "a/b/c.png"):
        put(tmp_path / name)
    assert ids(await pages(tmp_path)) == [
        "a/b/c.png",
        "a/z.png",
        "a-b/c.png",
        "a.png",
        "b.png",
    ]


async def test_what_is_passed_over_is_counted(tmp_path: Path) -> None:
    folder, outside = tmp_path / "in", tmp_path / "out"
    put(outside / "secret.png")
    for name in ("good.png", ".hidden.png", ".git/x.png", "notes.pdf", "good.json", "a loli b.png"):
        put(folder / name)
    put(folder / "two\nlines.png")
    (folder / "link.png").symlink_to(outside / "secret.png")
    (folder / "linked").symlink_to(outside)
    (folder / "same.png").symlink_to(folder / "good.png")
    (folder / "loop").symlink_to(folder)
    (folder / "dead.png").symlink_to(folder / "nothing")
    os.mkfifo(folder / "pipe.png")
    (page,) = await pages(folder)
    assert ids([page]) == ["good.png", "same.png"]
    assert page.dropped == {
        "dot_file": 2,
        "not_an_image": 1,
        "refused_name": 1,
        "bad_name": 1,
        "link_outside": 2,
        "linked_folder": 1,
        "broken_link": 1,
        "not_a_file": 1,
    }


async def test_names_that_are_no_text_are_passed_over(tmp_path: Path) -> None:
    with open(os.fsencode(tmp_path) + b"/\xff.png", "wb"):
        pass
    (page,) = await pages(tmp_path)
    assert (list(page.candidates), page.dropped) == ([], {"bad_name": 1})


async def test_an_empty_folder_has_no_pages(tmp_path: Path) -> None:
    assert await pages(tmp_path) == []


async def test_folders_inside_are_walked_unless_told_otherwise(tmp_path: Path) -> None:
    put(tmp_path / "a.png")
    put(tmp_path / "b" / "c.png")
    assert ids(await pages(tmp_path)) == ["a.png", "b/c.png"]
    assert ids(await pages(tmp_path, recursive=False)) == ["a.png"]


async def test_nothing_is_written_to_the_folder(tmp_path: Path) -> None:
    put(tmp_path / "a.png")
    before = {path: path.stat().st_mtime_ns for path in (tmp_path, *tmp_path.rglob("*"))}
    await pages(tmp_path)
    assert {p: p.stat().st_mtime_ns for p in (tmp_path, *tmp_path.rglob("*"))} == before


async def test_the_estimate_is_exact(tmp_path: Path) -> None:
    put(tmp_path / "a.png", b"123")
    put(tmp_path / "b" / "c.png", b"4567")
    adapter = Folder(Folder.default_site, FolderOptions())
    (part,) = adapter.partitions(adapter.canonical([str(tmp_path)]), Predicate())
    estimate = await adapter.estimate(part, NoNetwork())
    assert (estimate.count, estimate.bytes) == (2, 7)


def test_several_folders_are_several_parts_in_one_order(tmp_path: Path) -> None:
    one, two = tmp_path / "it's one", tmp_path / "two"
    one.mkdir()
    two.mkdir()
    adapter = Folder(Folder.default_site, FolderOptions())
    query = adapter.canonical([str(two), str(one)])
    assert query == shlex.join([str(one), str(two)])
    assert [part.name for part in adapter.partitions(query, Predicate())] == [str(one), str(two)]


def test_a_folder_inside_another_is_its_own_when_folders_are_not_walked(tmp_path: Path) -> None:
    inside = tmp_path / "b"
    inside.mkdir()
    flat = Folder(Folder.default_site, FolderOptions(recursive=False))
    assert len(flat.partitions(flat.canonical([str(tmp_path), str(inside)]), Predicate())) == 2


def test_what_is_no_folder_is_an_error(tmp_path: Path) -> None:
    put(tmp_path / "a.png")
    adapter = Folder(Folder.default_site, FolderOptions())
    for words in ([], [str(tmp_path / "a.png")], [str(tmp_path / "missing")]):
        with pytest.raises(UsageError):
            adapter.canonical(words)


def test_a_path_that_content_safety_refuses_is_never_read(tmp_path: Path) -> None:
    (tmp_path / "my-Loli_set").mkdir()
    with pytest.raises(RefusedQuery):
        Folder(Folder.default_site, FolderOptions()).canonical([str(tmp_path / "my-Loli_set")])


async def test_what_trawl_itself_made_is_passed_over(tmp_path: Path) -> None:
    for inside, mark in (("trawl-data", "catalog.db"), ("sets", ".trawl-export.json")):
        put(tmp_path / inside / mark)
        put(tmp_path / inside / "files" / "copy.png")
    put(tmp_path / "own.png")
    (page,) = await pages(tmp_path)
    assert [c.site_id for c in page.candidates] == ["own.png"]
    assert page.dropped == {"made_by_trawl": 2}


# -- what sidecars say is screened, and what cannot be screened is not taken --------------------


async def work_beside(folder: Path, files: dict[str, Any]) -> Candidate:
    put(folder / "a.png")
    for name, content in files.items():
        put(folder / name, content if isinstance(content, bytes) else json.dumps(content).encode())
    ((work,),) = [page.candidates for page in await pages(folder)]
    return work


@pytest.mark.parametrize(
    "files",
    [
        {"a.txt": b"loli, nude, standing in the middle of a large room with windows"},
        {"a.txt": b"A nude loli on a bed."},
        {"a.txt": b"a nude loli, solo"},
        {"a.txt": b"(loli:1.2), solo"},
        {"a.txt": "solo, loli".encode("utf-16")},
        {"a.TXT": b"solo, loli"},
        {"a.json": {"tags_artist": "someone", "tags": ["loli"]}},
        {"a.json": {"tags_artist": "someone", "rating": "g"}, "a.txt": b"solo, loli"},
        {"a.json": {"tags": {"general": ["loli"]}, "rating": "g"}},
        {"a.png.txt": b"solo", "a.txt": b"loli"},
        {"a.json": {"caption": "A loli."}, "a.txt": b"A girl."},
        {"a.json": b"{", "a.txt": b"loli"},
    ],
    ids=str,
)
async def test_no_way_to_write_a_sidecar_passes_content_safety(
    tmp_path: Path, files: dict[str, Any]
) -> None:
    assert blocked(await work_beside(tmp_path, files))


@pytest.mark.parametrize(
    "files", [{"a.txt": b"solo \xff"}, {"a.json": b'{"tags": ["lo'}, {"a.json": b"[]"}], ids=str
)
async def test_a_work_with_an_unreadable_sidecar_is_not_taken(
    tmp_path: Path, files: dict[str, Any]
) -> None:
    work = await work_beside(tmp_path, files)
    assert (work.unavailable, work.ladder) == ("bad_sidecar", ())


async def test_a_work_with_a_linked_sidecar_is_taken_once_it_is_a_file(tmp_path: Path) -> None:
    put(tmp_path / "out" / "tags", b"solo")
    put(tmp_path / "in" / "a.png")
    link = tmp_path / "in" / "a.txt"
    link.symlink_to(tmp_path / "out" / "tags")
    work = await work_beside(tmp_path / "in", {})
    assert (work.unavailable, work.ladder, work.tags) == ("bad_sidecar", (), {})
    link.unlink()
    put(link, b"solo")
    again = await Folder(Folder.default_site, FolderOptions()).refresh(work, NoNetwork())
    assert (again.unavailable, len(again.ladder), again.tags) == (None, 1, {"": ("solo",)})


async def test_a_photograph_of_children_is_fine(tmp_path: Path) -> None:
    work = await work_beside(tmp_path, {"a.txt": b"A child playing in the park."})
    assert not blocked(work)
    assert work.unavailable is None
