"""A folder that follows the set, step by step."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from stages.base import ExportReport
from stages.errors import FolderNotOurs
from stages.watched import Folder, WatchedFolder, WatchedOptions
from storage.records import AcceptedImage
from tests.stages.conftest import Make, encoded, noise


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "watched"


def opened(out: Path, consumer: str = "tool", **options: object) -> Folder:
    return WatchedFolder(WatchedOptions(**options)).open(out, consumer)  # type: ignore[arg-type]


@pytest.fixture
def folder(out: Path) -> Iterator[Folder]:
    with opened(out) as folder:
        yield folder


def give(
    folder: Folder, *images: AcceptedImage, gone: tuple[AcceptedImage, ...] = ()
) -> ExportReport:
    wanted: dict[str, AcceptedImage | None] = {i.sha256 or "": None for i in gone}
    wanted |= {i.sha256 or "": i for i in images}
    change = folder.change(wanted)
    before = set(change.planned(images, folder.out))
    report = change.write(images, folder.out)
    assert set(report.files) <= before | set(report.files if not report.written else ())
    return report


def names(out: Path) -> list[str]:
    return sorted(path.name for path in out.iterdir() if path.name[0] != ".")


def test_pictures_come_with_their_captions(folder: Folder, make: Make) -> None:
    report = give(folder, make("1"), make("2"))
    assert report.written == 2
    stems = {Path(name).stem for name in names(folder.out)}
    assert {Path(name).suffix for name in names(folder.out)} == {".jpg", ".txt"}
    assert len(stems) == 2
    assert all((folder.out / f"{stem}.txt").read_text() for stem in stems)


def test_the_caption_is_there_before_the_picture_and_goes_after_it(
    folder: Folder, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = []
    replaced, unlinked = Path.replace, Path.unlink

    def watched_replace(path: Path, target: Path) -> Path:
        done.append(f"+{target.suffix}")
        return replaced(path, target)

    def watched_unlink(path: Path, missing_ok: bool = False) -> None:
        done.append(f"-{path.suffix}")
        unlinked(path, missing_ok)

    monkeypatch.setattr(Path, "replace", watched_replace)
    monkeypatch.setattr(Path, "unlink", watched_unlink)
    one = make("1")
    give(folder, one)
    give(folder, gone=(one,))
    assert done == ["+.txt", "+.jpg", "-.jpg", "-.txt"]
    assert names(folder.out) == []


def test_what_was_given_is_not_given_again(folder: Folder, make: Make) -> None:
    one = make("1")
    give(folder, one)
    before = {name: (folder.out / name).stat().st_mtime_ns for name in names(folder.out)}
    report = give(folder, one)
    assert (report.written, report.unchanged) == (0, 1)
    assert before == {name: (folder.out / name).stat().st_mtime_ns for name in before}


def test_what_a_tool_took_away_stays_away(out: Path, make: Make) -> None:
    one, two = make("1"), make("2")
    with opened(out) as folder:
        give(folder, one, two)
        for path in out.glob("*-1-*"):
            path.unlink()
        give(folder, one)
    with opened(out) as folder:
        give(folder, one, two)
        assert {Path(name).stem for name in names(out)} == {Path(n).stem for n in names(out)[:1]}
        give(folder, gone=(one, two))
    assert names(out) == []


def test_the_caption_of_a_picture_that_was_taken_away_goes_too_unless_it_is_edited(
    out: Path, make: Make
) -> None:
    with opened(out) as folder:
        give(folder, make("1"), make("2"), make("3"))
    first, second, third = sorted(out.glob("*.jpg"))
    first.unlink()
    second.unlink()
    second.with_suffix(".txt").write_text("mine")
    with opened(out) as folder:
        folder.tidy()
    assert names(out) == [second.with_suffix(".txt").name, third.name, third.stem + ".txt"]
    with opened(out) as folder:
        folder.tidy()
        give(folder, gone=(make("1"), make("2"), make("3")))
    assert names(out) == [second.with_suffix(".txt").name]


def test_what_is_missing_is_written_again_where_it_is_asked_for(folder: Folder, make: Make) -> None:
    pictures = [make(str(n)) for n in range(1, 6)]
    hashes = [picture.sha256 or "" for picture in pictures]
    give(folder, *pictures)
    before = {name: (folder.out / name).stat().st_mtime_ns for name in names(folder.out)}
    one, two, three, four, _ = sorted(folder.out.glob("*.jpg"))
    words = one.with_suffix(".txt").read_text()
    one.unlink()
    one.with_suffix(".txt").unlink()
    two.unlink()
    two.with_suffix(".txt").write_text("mine")
    three.with_suffix(".txt").unlink()
    four.write_bytes(b"cropped by a tool")
    kept = {name: before[name] for name in names(folder.out) if name not in (two.stem + ".txt",)}
    kept[four.name] = four.stat().st_mtime_ns

    change = folder.change(dict(zip(hashes, pictures, strict=True)), hashes)
    planned = {path.name for _, path in change.planned(pictures, folder.out)}
    report = change.write(pictures, folder.out)
    assert (report.written, report.unchanged) == (2, 3)
    assert planned >= {one.name, one.stem + ".txt", two.name}
    assert names(folder.out) == sorted(before)
    assert (one.with_suffix(".txt").read_text(), two.with_suffix(".txt").read_text()) == (
        words,
        "mine",
    )
    assert kept == {name: (folder.out / name).stat().st_mtime_ns for name in kept}

    two.unlink()
    folder.tidy()
    give(folder, *pictures[2:], gone=tuple(pictures[:2]))
    assert two.with_suffix(".txt").read_text() == "mine"  # it is still somebody's
    assert not one.exists()


@pytest.mark.parametrize("ending", [".txt", ".jpg"])
def test_a_kill_while_it_is_written_again_costs_nothing(
    out: Path, make: Make, ending: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    one = make("1")
    new = replace(one, tags={"general": ("new_words",)})
    with opened(out) as folder:
        give(folder, one)
        folder.reach(7)
    (picture,) = out.glob("*.jpg")
    picture.unlink()
    again = {one.sha256 or ""}
    with opened(out) as folder, monkeypatch.context() as patched:
        replaced = Path.replace

        def dying(path: Path, target: Path) -> Path:
            if target.suffix == ending:
                raise Killed
            return replaced(path, target)

        patched.setattr(Path, "replace", dying)
        with pytest.raises(Killed):
            folder.change({one.sha256 or "": new}, again).write([new], out)
    with opened(out) as folder:
        assert folder.reached == 7
        report = folder.change({one.sha256 or "": new}, again).write([new], out)
        assert report.written == 1
        assert names(out) == [picture.name, picture.stem + ".txt"]
        assert picture.with_suffix(".txt").read_text() == "new words"
        give(folder, gone=(one,))
    assert names(out) == []


def test_a_folder_remembers_how_far_it_ever_was(out: Path) -> None:
    with opened(out) as folder:
        assert folder.reached == 0
        folder.reach(5)
        folder.reach(3)
    with opened(out) as folder:
        assert folder.reached == 5


def test_a_folder_of_before_is_opened(out: Path, make: Make) -> None:
    with opened(out) as folder:
        give(folder, make("1"))
        folder.begun()
    with closing(sqlite3.connect(out / ".trawl-folder.db")) as db:
        db.execute("ALTER TABLE about DROP COLUMN reached")
        db.execute("PRAGMA user_version=1")
    with opened(out) as folder:
        assert (folder.fresh, folder.reached) == (False, 0)
        assert give(folder, make("1")).unchanged == 1


@pytest.mark.parametrize("ending", [".txt", ".jpg"])
def test_a_kill_while_it_is_given_costs_nothing(
    out: Path, make: Make, ending: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    one = make("1")
    with opened(out) as folder, monkeypatch.context() as patched:
        replaced = Path.replace

        def dying(path: Path, target: Path) -> Path:
            if target.suffix == ending:
                raise Killed
            return replaced(path, target)

        patched.setattr(Path, "replace", dying)
        with pytest.raises(Killed):
            give(folder, one)
    assert [name for name in names(out) if name.endswith(".jpg")] == []
    with opened(out) as folder:
        assert give(folder, one).written == 1
    assert len(names(out)) == 2
    assert [p.name for p in out.iterdir() if p.name.endswith(".part")] == []


def test_names_are_those_of_exports_and_the_first_to_come_has_the_short_one(
    folder: Folder, make: Make
) -> None:
    first, second = make("a/1"), make("a+1")
    give(folder, first)
    (short,) = folder.out.glob("*.jpg")
    give(folder, second)
    assert short.exists()
    (longer,) = set(folder.out.glob("*.jpg")) - {short}
    assert longer.stem.startswith(short.stem + "-")
    give(folder, gone=(first,))
    assert [path.name for path in folder.out.glob("*.jpg")] == [longer.name]


def test_a_replaced_file_of_a_work_takes_its_place(folder: Folder, make: Make) -> None:
    old = make("1")
    new = replace(make("2", encoded(noise(30, 40), "JPEG", quality=90)), site_id="1")
    give(folder, old)
    (name,) = folder.out.glob("*.jpg")
    report = give(folder, new, gone=(old,))
    assert (report.written, report.removed) == (1, 1)
    assert [path.name for path in folder.out.glob("*.jpg")] == [name.name]
    assert new.path is not None
    assert name.read_bytes() == new.path.read_bytes()


def test_new_words_are_written_unless_somebody_wrote_their_own(folder: Folder, make: Make) -> None:
    one = make("1")
    give(folder, one)
    (caption,) = folder.out.glob("*.txt")
    give(folder, replace(one, tags={"general": ("new_words",)}))
    assert caption.read_text() == "new words"
    caption.write_text("mine")
    give(folder, replace(one, tags={"general": ("other",)}))
    assert caption.read_text() == "mine"
    give(folder, gone=(one,))
    assert names(folder.out) == [caption.name]


def test_a_picture_that_cannot_be_used_is_left_out(folder: Folder, make: Make) -> None:
    broken = make("1")
    assert broken.path is not None
    broken.path.chmod(0o644)
    broken.path.write_bytes(b"no picture")
    report = give(folder, broken, replace(make("2"), path=None))
    assert (report.written, dict(report.skipped)) == (0, {"undecodable": 1, "no_bytes": 1})
    assert names(folder.out) == []


def test_files_of_others_are_left_alone(folder: Folder, make: Make) -> None:
    one = make("1")
    with opened(folder.out.parent / "probe") as probe:
        give(probe, one)
        (name,) = [path.name for path in probe.out.glob("*.txt")]
    (folder.out / name).write_text("theirs")
    give(folder, one)
    assert (folder.out / name).read_text() == "theirs"
    assert len(names(folder.out)) == 3


def test_a_folder_that_holds_something_is_refused(out: Path) -> None:
    out.mkdir()
    (out / "thesis.doc").write_text("mine")
    with pytest.raises(FolderNotOurs, match="thesis"):
        opened(out)
    assert names(out) == ["thesis.doc"]


@pytest.mark.parametrize("what", ["text", "other database", "link"])
def test_a_memory_that_is_not_ours_is_refused(out: Path, what: str) -> None:
    out.mkdir()
    path = out / ".trawl-folder.db"
    if what == "text":
        path.write_text("no database " * 100)
    elif what == "link":
        path.symlink_to(out.parent / "elsewhere")
    else:
        db = sqlite3.connect(path)
        db.execute("CREATE TABLE about(x)")
        db.close()
    with pytest.raises(FolderNotOurs):
        opened(out)
    assert not (out.parent / "elsewhere").exists()


def test_a_folder_has_one_consumer(out: Path, make: Make) -> None:
    with opened(out) as folder:
        give(folder, make("1"))
    with pytest.raises(FolderNotOurs, match="the consumer 'tool'"):
        opened(out, "other")
    (out.parent / "file").write_text("")
    with pytest.raises(FolderNotOurs, match="is not a folder"):
        opened(out.parent / "file")


def test_a_folder_is_fresh_until_it_is_given_everything(out: Path) -> None:
    with opened(out) as folder:
        assert folder.fresh
    with opened(out) as folder:
        assert folder.fresh  # whoever made it was killed before it could begin
        folder.begun()
    with opened(out) as folder:
        assert not folder.fresh


def test_pictures_are_linked_or_copied(tmp_path: Path, make: Make) -> None:
    one = make("1")
    assert one.path is not None
    for copy in (False, True):
        with opened(tmp_path / f"copy-{copy}", copy=copy) as folder:
            give(folder, one)
            (path,) = folder.out.glob("*.jpg")
            assert os.path.samefile(path, one.path) is not copy
