"""A user's own models measure what their cards say, and reject what their user does not want."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from filters.base import Measures, Rejection
from filters.onnx_model import ModelError
from filters.picture import Picture
from filters.policy import Judge, Policy, PolicyError
from filters.user_models import UserModels
from tests.filters.stand_in import card, monochrome_model, public_folder, save
from tests.filters.support import Work, drawing, encode

GREY = encode(drawing().convert("L"), "PNG")
COLOUR = encode(drawing(), "PNG")


def judged(
    data: bytes, *cards: Path, reject: tuple[str, ...] = (), **more: Any
) -> tuple[Measures, Rejection | None]:
    """What the models say of a picture, and the verdict."""
    judge = Judge([UserModels()])
    section = {"cards": tuple(map(str, cards)), "reject": reject}
    policy = judge.policy({"models": section, **more})
    with Picture.open(data) as picture:
        measures = judge.configured(policy).measure(picture)
    # As another process would judge what was kept: nothing is left of the files.
    kept = judge.policy(json.loads(json.dumps(policy.to_json())))
    return measures.get("models", {}), judge.verdict(Work(), measures, kept)


def test_without_cards_nothing_is_measured() -> None:
    assert judged(GREY) == ({}, None)


def test_each_label_is_measured_by_name(tmp_path: Path) -> None:
    measures, _ = judged(GREY, card(tmp_path))
    model = measures["monochrome_model"]
    assert measures == {
        "version": 1,
        "monochrome_label": "monochrome",
        "monochrome_score": 0.880797,
        "monochrome_is_monochrome": 0.880797,
        "monochrome_is_normal": 0.119203,
        "monochrome_model": model,
    }
    assert isinstance(model, str)
    assert len(model) == 16


def test_the_rejecting_label_of_a_card_rejects(tmp_path: Path) -> None:
    path = card(tmp_path)
    assert judged(GREY, path)[1] == Rejection(
        "model_label", "monochrome.monochrome 0.880797", 0.5, by="models"
    )
    assert judged(COLOUR, path)[1] is None
    assert judged(GREY, path, allow=["model_label"])[1] is None
    assert judged(GREY, card(tmp_path, rejects=None))[1] is None


@pytest.mark.parametrize(("threshold", "rejected"), [(0.0001, True), (0.9999, False)])
def test_the_threshold_is_honoured_on_both_sides(
    tmp_path: Path, threshold: float, rejected: bool
) -> None:
    """The public library takes a threshold for this model, and does not use it."""
    _, by_card = judged(GREY, card(tmp_path, threshold=threshold))
    assert (by_card is not None) is rejected
    folder = public_folder(tmp_path / "dist")
    _, by_option = judged(GREY, folder, reject=(f"dist.monochrome={threshold}",))
    assert (by_option is not None) is rejected
    assert judged(GREY, folder)[1] is None


def test_an_option_outweighs_what_the_card_says(tmp_path: Path) -> None:
    path = card(tmp_path)
    assert judged(GREY, path, reject=("monochrome.monochrome=0.9",))[1] is None
    rejection = judged(COLOUR, path, reject=("monochrome.normal=0.5",))[1]
    assert rejection is not None
    assert rejection.reason == "model_label"


def test_several_models_look_at_a_picture(tmp_path: Path) -> None:
    lenient = card(tmp_path, file="lenient.json", threshold=0.99)
    measures, rejection = judged(GREY, lenient, card(tmp_path))
    assert {"lenient_label", "monochrome_label"} <= set(measures)
    assert rejection is not None
    assert rejection.measured == "monochrome.monochrome 0.880797"


@pytest.mark.parametrize(
    ("reject", "message"),
    [
        ("monochrome=0.5", "takes NAME.LABEL=SCORE"),
        ("monochrome.normal=1.2.3", "takes NAME.LABEL=SCORE"),
        ("mono.normal=0.5", "names 'mono'; the cards are monochrome"),
        ("monochrome.grey=0.5", "has no label 'grey', but monochrome, normal"),
    ],
)
def test_a_rule_that_cannot_be_says_why(tmp_path: Path, reject: str, message: str) -> None:
    with pytest.raises(PolicyError, match=message):
        judged(GREY, card(tmp_path), reject=(reject,))


def test_cards_that_cannot_be_used_are_errors_of_the_policy(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match="cannot be read"):
        judged(GREY, tmp_path / "nothing.json")
    with pytest.raises(PolicyError, match="two models are called 'monochrome'"):
        judged(GREY, card(tmp_path), card(tmp_path))
    (tmp_path / "model.onnx").unlink()
    with pytest.raises(PolicyError, match=r"model\.onnx cannot be read"):
        Judge([UserModels()]).policy({"models": {"cards": (str(tmp_path / "monochrome.json"),)}})


def policy_of(path: Path) -> Policy:
    return Judge([UserModels()]).policy({"models": {"cards": (str(path),)}})


def test_a_kept_policy_is_read_without_its_files(tmp_path: Path) -> None:
    path = card(tmp_path, threshold=0.7)
    kept = policy_of(path)
    path.unlink()
    (tmp_path / "model.onnx").unlink()
    assert Judge([UserModels()]).policy(kept.to_json()) == kept


def test_another_model_or_card_is_another_policy(tmp_path: Path) -> None:
    before = policy_of(card(tmp_path))
    assert policy_of(card(tmp_path)) == before
    assert policy_of(card(tmp_path, threshold=0.6)) != before
    assert policy_of(card(tmp_path, resize={"mode": "crop"})) != before
    model = monochrome_model()
    model.doc_string = "trained again"
    save(model, tmp_path / "model.onnx")
    assert policy_of(card(tmp_path)) != before


def test_files_that_changed_under_a_kept_policy_are_not_run(tmp_path: Path) -> None:
    policy = policy_of(card(tmp_path))
    Judge([UserModels()]).configured(policy)
    card(tmp_path, resize={"mode": "crop"})
    with pytest.raises(ModelError, match="is not what it was"):
        Judge([UserModels()]).configured(policy)


def test_what_another_model_said_is_no_word_of_this_one(tmp_path: Path) -> None:
    judge = Judge([UserModels()])
    before = policy_of(card(tmp_path))
    with Picture.open(GREY) as picture:
        measures = judge.configured(before).measure(picture)
    after = policy_of(card(tmp_path, resize={"mode": "crop"}))
    assert judge.verdict(Work(), measures, before) is not None
    assert judge.verdict(Work(), measures, after) is None
    assert judge.is_measured(measures, before)
    assert not judge.is_measured(measures, after)
    assert not judge.is_measured({}, before)
    assert judge.is_measured({}, judge.policy())


def test_what_the_models_of_two_crawls_said_is_kept_together(tmp_path: Path) -> None:
    judge = Judge([UserModels()])
    policies = [policy_of(card(tmp_path, file=f"{name}.json")) for name in ("one", "two")]
    with Picture.open(GREY) as picture:
        first, second = (judge.configured(policy).measure(picture) for policy in policies)
    both = judge.together(first, second)
    assert all(judge.is_measured(both, policy) for policy in policies)
    assert both["models"].keys() == first["models"].keys() | second["models"].keys()
    assert judge.together(first, {}) == first


def test_a_model_that_does_not_fit_its_card_is_told_before_any_picture(tmp_path: Path) -> None:
    judge = Judge([UserModels()])
    policy = policy_of(card(tmp_path, output={"name": "logits"}))
    with pytest.raises(ModelError, match="no output 'logits'"):
        judge.configured(policy)


@pytest.mark.parametrize("score", ["70", "1.01"])
def test_a_score_is_no_more_than_one(score: str) -> None:
    with pytest.raises(ModelError, match="a score of 0 to 1"):
        Judge([UserModels()]).policy({"models": {"reject": [f"a.b={score}"]}})


def test_the_options_are_read_without_the_libraries_that_run_models() -> None:
    program = "import sys, filters.user_models; print({'numpy', 'onnxruntime'} & set(sys.modules))"
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert ran.stdout.strip() == "set()"
