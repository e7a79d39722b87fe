"""``trawl inspect``, ``sources`` and ``doctor``: what is on this machine."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from crawler.cli.log import Redacting
from crawler.demo.site import DemoSite
from tests.crawler.cli.conftest import Spawn, Trawl


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A good picture, a small one and a file that is none."""
    made = tmp_path / "pictures"
    made.mkdir()
    channels = [Image.effect_noise((1000, 1200), 90) for _ in range(3)]
    Image.merge("RGB", channels).save(made / "a-good.png")
    Image.new("RGB", (100, 100), (200, 30, 90)).save(made / "b-small.png")
    (made / "c-broken.jpg").write_bytes(b"not a picture at all")
    (made / "notes.txt").write_text("not looked at")
    return made


def test_inspect_judges_every_picture_of_a_folder(trawl: Trawl, folder: Path) -> None:
    lines = [json.loads(line) for line in trawl("inspect", folder, "--ndjson").out.splitlines()]
    assert [(Path(line["path"]).name, line["type"], line["reason"]) for line in lines] == [
        ("a-good.png", "accepted", None),
        ("b-small.png", "rejected", "too_small"),
        ("c-broken.jpg", "failed", "not_an_image"),
    ]
    good, small, _ = lines
    assert (good["width"], good["height"]) == (1000, 1200)
    assert len(good["sha256"]) == 64
    assert good["measured"]
    assert small["value"] == 100
    assert small["threshold"] == 768


def test_inspect_for_a_person_is_one_line_a_file(trawl: Trawl, folder: Path) -> None:
    lines = trawl("inspect", folder / "b-small.png", folder / "a-good.png").out.splitlines()
    assert len(lines) == 2
    assert "b-small.png: 100x100 rejected, too_small (100, asked 768); " in lines[0]
    assert "a-good.png: 1000x1200 accepted; " in lines[1]


def test_inspect_takes_the_flags_of_the_policy(trawl: Trawl, folder: Path) -> None:
    arguments = ["inspect", folder / "b-small.png", "--json"]
    flags = ["--min-side", 50, "--min-pixels", "1k"]
    found = json.loads(trawl(*arguments, *flags).out)
    assert found[0]["reason"] != "too_small"
    small = json.loads(trawl(*arguments, "--set", "resolution.max_pixels=5k").out)
    assert (small[0]["type"], small[0]["reason"]) == ("failed", "too_many_pixels")


def test_inspect_of_nothing_is_exit_2(trawl: Trawl) -> None:
    assert trawl("inspect").code == 2
    assert trawl("inspect", "nowhere.png").code == 2


def test_sources_lists_what_can_be_asked_for(trawl: Trawl) -> None:
    text = trawl("sources").out
    assert "danbooru (https://danbooru.donmai.us):" in text
    assert "--option tiers=" in text
    assert "kohya:" in text
    document = json.loads(trawl("sources", "--json").out)
    assert {"danbooru", "folder"} <= {source["name"] for source in document["sources"]}
    assert {"kohya", "imagefolder", "sheet"} <= {layout["name"] for layout in document["layouts"]}


def test_doctor_finds_this_installation_well(trawl: Trawl) -> None:
    result = trawl("doctor", "--json")
    checks = {check["name"]: check for check in json.loads(result.out)["checks"]}
    for name in ("python", "sqlite", "pillow", "libjpeg-turbo", "httpx", "disk", "plug-ins"):
        assert checks[name]["ok"], checks[name]
    for name in ("crawler", "filters", "storage", "stages"):
        assert checks[f"package {name}"]["ok"], checks[f"package {name}"]
    assert result.code == 0
    assert trawl("doctor").out.count("\nok ") > 10


def test_doctor_finds_a_package_that_hides_ours(
    spawn: Spawn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "stages").mkdir()
    (tmp_path / "stages" / "__init__.py").touch()
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    process = spawn("doctor")
    out, _ = process.communicate(timeout=30)
    assert process.returncode == 1
    assert f"FAIL  package stages: {tmp_path / 'stages'} hides ours" in out


def test_doctor_names_a_broken_settings_file(trawl: Trawl, empty_workspace: Path) -> None:
    (empty_workspace / "trawl.toml").write_text("[net]\ncontakt = 1")
    result = trawl("doctor", "-w", empty_workspace)
    assert result.code == 1
    assert "FAIL  settings" in result.out


def test_doctor_holds_a_site_against_what_is_expected(trawl: Trawl, site: DemoSite) -> None:
    before = len(site.ledger)
    result = trawl("doctor", "--online", "danbooru")
    assert result.code == 0
    assert "ok    danbooru: paging by id" in result.out
    assert 0 < len(site.ledger) - before <= 8


def test_doctor_needs_a_contact_to_go_online(trawl: Trawl) -> None:
    assert trawl("doctor", "--online", "danbooru").code == 4
    assert trawl("doctor", "--online", "folder").code == 2


@pytest.mark.parametrize(
    "line",
    [
        "GET https://x.example/posts.json?login=me&api_key=very-secret&page=2",
        "headers {'authorization': 'Basic very-secret', 'accept': '*/*'}",
        'Authorization: Bearer very-secret"',
        "{'api_key': 'very-secret'}",
    ],
)
def test_the_log_never_holds_a_secret(line: str) -> None:
    import logging

    record = logging.LogRecord("x", logging.INFO, "", 0, line, None, None)
    text = Redacting("%(message)s").format(record)
    assert "very-secret" not in text
    assert "***" in text
