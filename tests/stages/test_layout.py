"""The export folder: exactly what is wanted, touched only where it changed, ours alone."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from stages.base import ExportReport
from stages.errors import FolderNotOurs
from stages.export.layout import Item, Made, sync
from stages.export.state import STATE
from storage.records import AcceptedImage
from tests.stages.conftest import Make, encoded, marks, noise, tree


def listing(made: Sequence[Made]) -> str:
    return "".join(f"{m.file} {m.sha256}\n" for m in made)


def export(
    out: Path, images: Sequence[AcceptedImage], copy: bool = False, caption: str = "words"
) -> ExportReport:
    items = [Item(f"set/{i.site_id}", i, f"{caption} {i.site_id}") for i in images]
    return sync(out, "test", items, {"list.txt": listing}, copy=copy)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "out"


def test_pictures_captions_and_documents_appear(make: Make, out: Path) -> None:
    images = [make("a"), make("b", encoded(noise(8, 8, bands=4), "PNG"))]
    report = export(out, images)
    assert (report.written, report.unchanged, report.removed) == (2, 0, 0)
    files = tree(out)
    assert sorted(files) == [
        STATE, "list.txt", "set/a.jpg", "set/a.txt", "set/b.png", "set/b.txt"
    ]  # fmt: skip
    assert files["set/a.txt"] == b"words a"
    assert report.files == (
        (images[0].sha256, out / "set/a.jpg"),
        (images[0].sha256, out / "set/a.txt"),
        (images[1].sha256, out / "set/b.png"),
        (images[1].sha256, out / "set/b.txt"),
    )
    assert images[0].path is not None
    assert (out / "set/a.jpg").samefile(images[0].path)


def test_a_second_export_touches_nothing(make: Make, out: Path) -> None:
    images = [make("a"), make("b", encoded(noise(8, 8, bands=4), "PNG"))]
    export(out, images)
    before = marks(out)
    report = export(out, images)
    assert (report.written, report.unchanged, report.removed) == (0, 2, 0)
    assert marks(out) == before


def test_only_what_changed_is_touched(make: Make, out: Path) -> None:
    a, b, c = (make(i) for i in "abc")
    export(out, [a, b])
    before = marks(out)
    new_b = make("b", encoded(noise(9, 9), "PNG"))
    report = export(out, [a, new_b, c])
    assert (report.written, report.unchanged, report.removed) == (2, 1, 0)
    after = marks(out)
    assert {f for f in before if after.get(f) != before[f]} == {STATE, "list.txt", "set/b.jpg"}
    assert set(after) - set(before) == {"set/b.png", "set/c.jpg", "set/c.txt"}


def test_what_is_no_longer_wanted_goes_and_strange_files_stay(make: Make, out: Path) -> None:
    export(out, [make("a"), make("b")])
    (out / "set/latents.npz").write_bytes(b"cache")
    report = export(out, [make("a")])
    assert report.removed == 1
    assert not list(out.glob("set/b.*"))
    assert export(out, []).removed == 1
    assert sorted(tree(out)) == [STATE, "list.txt", "set/latents.npz"]


def test_a_folder_of_ours_goes_when_it_is_empty(make: Make, out: Path) -> None:
    export(out, [make("a")])
    export(out, [])
    assert not (out / "set").exists()


def test_damage_is_repaired(make: Make, out: Path) -> None:
    images = [make("a"), make("b", encoded(noise(8, 8, bands=4), "PNG"))]
    export(out, images)
    good = tree(out)
    (out / "set/a.txt").write_text("")
    (out / "set/a.jpg").unlink()
    picture = (out / "set/b.png").read_bytes()
    (out / "set/b.png").write_bytes(picture[:-1] + b"?")
    report = export(out, images)
    assert report.written == 2
    assert {k: v for k, v in tree(out).items() if k != STATE} == {
        k: v for k, v in good.items() if k != STATE
    }


def test_a_changed_caption_leaves_the_picture_alone(make: Make, out: Path) -> None:
    export(out, [make("a")])
    before = marks(out)
    assert export(out, [make("a")], caption="other").written == 1
    assert {f for f, mark in marks(out).items() if before[f] != mark} == {"set/a.txt", STATE}


def test_a_moved_folder_is_still_up_to_date(make: Make, out: Path, tmp_path: Path) -> None:
    export(out, [make("a")])
    moved = tmp_path / "moved"
    subprocess.run(["cp", "-r", out, moved], check=True)
    assert (moved / "set/a.jpg").stat().st_mtime_ns != (out / "set/a.jpg").stat().st_mtime_ns
    before = marks(moved)["set/a.jpg"]
    assert export(moved, [make("a")]).unchanged == 1
    assert marks(moved)["set/a.jpg"] == before


def test_copies_share_nothing_with_the_workspace(make: Make, out: Path) -> None:
    image = make("a")
    assert image.path is not None
    export(out, [image])
    assert (out / "set/a.jpg").samefile(image.path)
    assert export(out, [image], copy=True).written == 1
    assert not (out / "set/a.jpg").samefile(image.path)
    assert (out / "set/a.jpg").read_bytes() == image.path.read_bytes()
    assert os.access(out / "set/a.jpg", os.W_OK)
    assert export(out, [image], copy=True).unchanged == 1


@pytest.mark.skipif(not Path("/dev/shm").is_dir(), reason="needs a second file system")
def test_where_links_cannot_be_the_picture_is_copied(make: Make, tmp_path: Path) -> None:
    other = Path("/dev/shm") / f"trawl-test-{os.getpid()}"
    if os.stat("/dev/shm").st_dev == tmp_path.stat().st_dev:
        pytest.skip("both folders are on one file system")
    try:
        image = make("a")
        assert image.path is not None
        assert export(other, [image]).written == 1
        assert (other / "set/a.jpg").read_bytes() == image.path.read_bytes()
        assert export(other, [image]).unchanged == 1
    finally:
        subprocess.run(["rm", "-rf", other], check=True)


def test_pictures_that_cannot_be_used_are_counted(make: Make, out: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes(encoded(noise(64, 64, bands=4), "PNG")[:500])
    images = [make("a"), make("b", path=tmp_path / "gone.jpg"), make("c", path=broken)]
    report = export(out, images)
    assert report.skipped == {"missing": 1, "undecodable": 1}
    assert sorted(f for f in tree(out) if f.startswith("set/")) == ["set/a.jpg", "set/a.txt"]


def test_a_folder_of_somebody_else_is_refused_untouched(make: Make, out: Path) -> None:
    out.mkdir(parents=True)
    (out / "holiday.jpg").write_bytes(b"mine")
    with pytest.raises(FolderNotOurs, match=r"holiday\.jpg"):
        export(out, [make("a")])
    assert tree(out) == {"holiday.jpg": b"mine"}


def test_a_file_as_folder_is_refused(make: Make, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"mine")
    with pytest.raises(FolderNotOurs):
        export(tmp_path / "file", [make("a")])


def test_an_export_of_another_layout_is_refused(make: Make, out: Path) -> None:
    export(out, [make("a")])
    before = tree(out)
    with pytest.raises(FolderNotOurs, match="test"):
        sync(out, "other", [], {})
    assert tree(out) == before


def test_a_strange_file_in_the_way_is_never_overwritten(make: Make, out: Path) -> None:
    export(out, [make("a")])
    (out / "set/b.png").write_bytes(b"mine")
    before = tree(out)
    with pytest.raises(FolderNotOurs, match=r"b\.png"):
        export(out, [make("a"), make("b")])
    assert tree(out) == before


def test_links_in_the_folder_are_never_followed(make: Make, out: Path, tmp_path: Path) -> None:
    export(out, [make("a")])
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "precious.txt").write_text("mine")
    (out / "set/a.txt").unlink()
    (out / "set/a.txt").symlink_to(elsewhere / "precious.txt")
    export(out, [make("a")])
    assert (elsewhere / "precious.txt").read_text() == "mine"
    assert (out / "set/a.txt").read_text() == "words a"
    assert not (out / "set/a.txt").is_symlink()

    (out / "set").rename(tmp_path / "set")
    (out / "set").symlink_to(elsewhere)
    with pytest.raises(FolderNotOurs):
        export(out, [make("a"), make("b")])
    assert tree(elsewhere) == {"precious.txt": b"mine"}


def test_a_forged_memory_cannot_remove_files_outside(make: Make, out: Path) -> None:
    export(out, [make("a")])
    outside = out.parent / "outside.txt"
    outside.write_text("mine")
    state = (out / STATE).read_text()
    (out / STATE).write_text(state.replace('"set/a.txt"', '"../outside.txt"'))
    with pytest.raises(FolderNotOurs):
        export(out, [])
    assert outside.read_text() == "mine"


_CHILD = """
import sys
from pathlib import Path
from stages.export.layout import Item, sync
from storage.records import AcceptedImage

store, out = Path(sys.argv[1]), Path(sys.argv[2])
items = []
for path in sorted(store.iterdir()):
    image = AcceptedImage(
        0, "s", path.stem, path.stem, path, "png", 1, 1, 1, "accepted"
    )
    items.append(Item(f"{sys.argv[3]}/{path.stem}", image, f"{sys.argv[4]} {path.stem}"))
print("ready", flush=True)
sync(out, "test", items, {"list.txt": lambda made: "".join(m.file + "\\n" for m in made)})
"""


def test_a_kill_at_any_point_is_repaired_by_the_next_export(tmp_path: Path) -> None:
    store = tmp_path / "store"
    store.mkdir()
    for i in range(24):
        kind = 4 if i % 3 == 0 else 3
        (store / f"p{i:02}").write_bytes(encoded(noise(64, 64, seed=i, bands=kind), "PNG"))

    def run(out: Path, folder: str, word: str, kill_after: float | None = None) -> float:
        """Export in a process of its own; the seconds it worked."""
        child = subprocess.Popen(
            [sys.executable, "-c", _CHILD, str(store), str(out), folder, word],
            stdout=subprocess.PIPE,
            cwd=Path(__file__).parents[2],
        )
        with child:
            assert child.stdout is not None
            assert child.stdout.readline() == b"ready\n"
            began = time.monotonic()
            if kill_after is not None:
                time.sleep(kill_after)
                child.send_signal(signal.SIGKILL)
            child.wait(60)
        if kill_after is None:
            assert child.returncode == 0
        return time.monotonic() - began

    clean = tmp_path / "clean"
    took = run(clean, "final", "words")
    out, unfinished = tmp_path / "out", 0
    for n in range(8):
        # Every other run wants other names, so that kills also meet half-done removals, and each
        # has words of its own: what a killed run wrote must not be taken for a person's.
        folder, word = "final" if n % 2 else "other", f"words{n}"
        run(out, folder, word, kill_after=took * (n + 0.5) / 8)
        for picture in out.glob("*/*.png"):
            caption = picture.with_suffix(".txt")
            assert re.fullmatch(rf"words\d {picture.stem}", caption.read_text())
        unfinished += (out / STATE).exists() and '"begun":[]' not in (out / STATE).read_text()
    run(out, "final", "words")
    assert {f: d for f, d in tree(out).items() if f != STATE} == {
        f: d for f, d in tree(clean).items() if f != STATE
    }
    assert unfinished
