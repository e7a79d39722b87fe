"""``--model-card``: a user's own model judges a crawl, wherever pictures are decoded."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.crawler.cli.conftest import Result, Trawl
from tests.filters.stand_in import card, monochrome_model, save
from tests.filters.support import drawing

CARD = Path("cards/monochrome.json")
LENIENT = (
    *("--min-side", 32, "--min-pixels", 1, "--set", "quality.min_sharpness=0"),
    *("--allow", "monochrome,upscaled"),
)


@pytest.fixture(autouse=True)
def pictures(home: Path) -> Path:
    """One in colour, one in grey."""
    folder = Path("pictures")
    folder.mkdir()
    for name, image in {"colour": drawing(), "grey": drawing(seed=2).convert("L")}.items():
        image.save(folder / f"{name}.png")
    CARD.parent.mkdir()
    card(CARD.parent)
    return folder


def crawl(trawl: Trawl, *more: object) -> Result:
    arguments = ("--all", "-w", "ws", "-q", *LENIENT, *more)
    return trawl("crawl", "folder", "pictures", *arguments)


def states(trawl: Trawl) -> dict[str, str]:
    lines = trawl("query", "-w", "ws", "--format", "ndjson").out.splitlines()
    lines += trawl("query", "state:rejected", "-w", "ws", "--format", "ndjson").out.splitlines()
    found = map(json.loads, lines)
    return {one["site_id"]: one["reason"] or one["state"] for one in found}


JUDGED = {"colour.png": "accepted", "grey.png": "model_label"}


def test_a_crawl_rejects_what_a_model_of_the_user_rejects(trawl: Trawl, pictures: Path) -> None:
    drawing(seed=3).convert("L").save(pictures / "beside.avif")  # decoded in another process
    assert crawl(trawl, "--model-card", CARD).code == 0
    assert states(trawl) == JUDGED | {"beside.avif": "model_label"}
    count = trawl("query", "state:rejected", "monochrome_is_monochrome>=0.5", "-w", "ws", "--count")
    assert count.out.strip() == "2"


def test_inspect_says_what_a_model_of_the_user_says(trawl: Trawl) -> None:
    done = trawl("inspect", "pictures/grey.png", "--model-card", CARD, *LENIENT)
    assert "rejected, model_label (monochrome.monochrome 0.88" in done.out


def test_pictures_that_are_held_are_measured_again_and_not_fetched(
    trawl: Trawl, pictures: Path
) -> None:
    assert crawl(trawl).code == 0
    assert set(states(trawl).values()) == {"accepted"}
    for file in pictures.iterdir():
        file.write_bytes(b"gone")
    assert crawl(trawl, "--model-card", CARD).code == 0
    assert states(trawl) == JUDGED
    assert crawl(trawl).code == 0
    assert set(states(trawl).values()) == {"accepted"}


def test_another_model_under_the_same_name_measures_again(trawl: Trawl) -> None:
    assert crawl(trawl, "--model-card", CARD).code == 0
    model = monochrome_model()
    bias = next(one for one in model.graph.initializer if one.name == "bias")
    bias.raw_data = bias.raw_data[4:] + bias.raw_data[:4]  # grey scores 0.12 now
    save(model, CARD.with_name("model.onnx"))
    assert crawl(trawl, "--model-card", CARD).code == 0
    assert set(states(trawl).values()) == {"accepted"}


def test_another_threshold_is_judged_without_the_model(trawl: Trawl) -> None:
    assert crawl(trawl, "--model-card", CARD).code == 0
    CARD.with_name("model.onnx").unlink()
    over = ("--set", "models.reject=monochrome.monochrome=0.9")
    assert trawl("judge", "-w", "ws", "--apply", *over).code == 0
    assert set(states(trawl).values()) == {"accepted"}
    assert trawl("undo", "-w", "ws").code == 0
    assert states(trawl) == JUDGED


def test_a_card_that_cannot_be_used_ends_the_command_at_once(trawl: Trawl) -> None:
    card(CARD.parent, treshold=0.5)
    done = crawl(trawl, "--model-card", CARD)
    assert done.code == 2
    assert "did you mean threshold" in done.err
    assert not Path("ws").exists()
    assert crawl(trawl, "--model-card", "nothing.json").code == 2


def workspace_names_the_card() -> None:
    Path("ws").mkdir(exist_ok=True)
    Path("ws/trawl.toml").write_text('[policy.models]\ncards = ["../cards/monochrome.json"]\n')


def test_a_workspace_runs_no_model_that_its_user_does_not_trust(trawl: Trawl) -> None:
    workspace_names_the_card()
    done = crawl(trawl)
    assert done.code == 4
    assert "policy.models.cards" in done.err
    assert "--trust-workspace" in done.err


def test_a_trusted_workspace_names_cards_from_where_it_lies(trawl: Trawl) -> None:
    workspace_names_the_card()
    assert crawl(trawl, "--trust-workspace").code == 0
    assert states(trawl) == JUDGED


def test_a_catalog_of_somebody_else_runs_no_model_either(trawl: Trawl, home: Path) -> None:
    assert crawl(trawl, "--model-card", CARD).code == 0
    crawls = json.loads(trawl("status", "-w", "ws", "--json").out)["crawls"]
    resume = ("resume", crawls[0]["crawl"]["id"], "-w", "ws", "-q")
    done = trawl(*resume)
    assert done.code == 4
    assert "names files that filters are to run" in done.err
    assert trawl(*resume, "--trust-workspace").code == 0
    # Whose own settings name that very card and model has said so before.
    own = f'[policy.models]\ncards = ["{CARD.absolute()}"]\n'
    (home / "trawl").mkdir(parents=True, exist_ok=True)
    (home / "trawl" / "config.toml").write_text(own)
    assert trawl(*resume).code == 0
    assert states(trawl) == JUDGED


def test_files_that_changed_under_a_crawl_are_not_run(trawl: Trawl) -> None:
    assert crawl(trawl, "--model-card", CARD).code == 0
    crawls = json.loads(trawl("status", "-w", "ws", "--json").out)["crawls"]
    card(CARD.parent, resize={"mode": "crop"})
    resume = ("resume", crawls[0]["crawl"]["id"], "-w", "ws", "-q", "--trust-workspace")
    done = trawl(*resume)
    assert done.code == 4
    assert "is not what it was when the crawl began" in done.err
