"""An independent client, gallery-dl as published, takes the demo site for a Danbooru."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from crawler.demo.ledger import Ledger
from crawler.demo.site import DemoSite, ThreadedDemoSite
from crawler.demo.world import REIMU, big_world, default_world

SAFE = f"{REIMU} rating:g,s -status:deleted"


@pytest.fixture(scope="module")
def site() -> Iterator[DemoSite]:
    with ThreadedDemoSite(DemoSite(default_world())) as running:
        yield running


def gallery_dl(
    site: DemoSite, folder: Path, *words: str, tags: str, **options: object
) -> list[str]:
    """Run gallery-dl on a search of the site. Returns the lines it printed."""
    host = site.base_url.removeprefix("http://")
    instance = {"root": site.base_url, "pattern": host.replace(".", r"\.")}
    extractor = {"Danbooru": {"demo": instance}, "sleep-request": 0, **options}
    folder.mkdir(exist_ok=True)
    config = folder / "config.json"
    config.write_text(
        json.dumps(
            {
                "extractor": {
                    **extractor,
                    "base-directory": str(folder),
                    "directory": ["files"],
                    "filename": "{id}.{extension}",
                },
                "downloader": {"retries": 2},
            }
        )
    )
    url = f"{site.base_url}/posts?tags={tags.replace(' ', '+').replace(':', '%3A')}"
    command = [sys.executable, "-m", "gallery_dl", "--config-ignore", "--config", str(config)]
    done = subprocess.run(
        [*command, "--no-input", *words, url], capture_output=True, text=True, timeout=100
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done.stdout.splitlines()


def test_it_downloads_exactly_the_posts_that_have_a_file(site: DemoSite, tmp_path: Path) -> None:
    gallery_dl(site, tmp_path, tags=SAFE, threshold=1)
    listed = [
        post
        for post in site.world.posts
        if REIMU in post.tags and post.rating in "gs" and not post.is_deleted
    ]
    gone = {"dead", "replaced"}
    obtainable = {post.id for post in listed if not post.hidden and post.kind not in gone}
    stored = {int(path.stem) for path in (tmp_path / "files").iterdir()}
    assert stored == obtainable
    hidden = {post.media.md5 for post in listed if post.hidden}
    assert hidden
    assert not [e for e in site.ledger if any(md5 in e.path for md5 in hidden)]


def test_the_files_it_stores_are_those_of_the_world(site: DemoSite, tmp_path: Path) -> None:
    gallery_dl(site, tmp_path, tags=f"{REIMU} official_art")
    for post in site.world.of_kind("official_art"):
        if REIMU in post.tags:
            assert (tmp_path / "files" / f"{post.id}.jpg").read_bytes() == post.media.read()


def test_it_walks_keyset_pages_to_the_end(tmp_path: Path) -> None:
    with ThreadedDemoSite(DemoSite(big_world(450))) as big:
        urls = gallery_dl(big, tmp_path, "--get-urls", tags=REIMU)
        ledger: Ledger = big.ledger
    assert len(urls) == 450
    pages = [entry.query.partition("page=")[2] for entry in ledger.requests("/posts.json")]
    assert pages == ["", "b251", "b51"]
    assert ledger.repeats() == {}
