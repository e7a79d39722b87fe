"""Models that a user brings: each card's classifier looks at every picture."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from filters.base import BaseFilter, Claims, Measures, Rejection, Scalar, option
from filters.onnx_model import MAX_BYTES, ModelError

if TYPE_CHECKING:
    from filters.classifier import Classifier
    from filters.picture import Picture
    from filters.policy import Policy

_KEPT = re.compile(
    r"(?P<name>[a-z0-9_]+)@(?P<identity>[0-9a-f]{16})\[(?P<rules>.*?)\] (?P<path>.+)", re.DOTALL
)
_RULE = re.compile(r"(?P<name>[a-z0-9_]+)\.(?P<label>\w+)=(?P<score>[0-9.]+)", re.ASCII)


@dataclass(frozen=True)
class ModelOptions:
    cards: tuple[str, ...] = option(
        (),
        "Model cards (JSON), or folders of public classifiers (`model.onnx` and `meta.json`).",
        file=True,
    )
    reject: tuple[str, ...] = option(
        (),
        "`NAME.LABEL=SCORE`: a label that rejects from this score on, in place of all that the"
        " card of that name says.",
    )
    max_model_bytes: int = option(MAX_BYTES, "A larger model is refused.", unit="bytes", low=1)


@dataclass(frozen=True, slots=True)
class Kept:
    """A card as a policy keeps it: what is needed to judge, where its files are gone."""

    name: str
    identity: str
    rules: tuple[tuple[str, float], ...]
    """Label, as measures spell it, and the score from which it rejects."""
    path: Path

    @classmethod
    def read(cls, text: str) -> Kept | None:
        """None where the text is what a person wrote: a path."""
        found = _KEPT.fullmatch(text)
        if found is None:
            return None
        rules = (rule.partition(">=") for rule in found["rules"].split(",") if rule)
        return cls(
            found["name"],
            found["identity"],
            tuple((label, float(score)) for label, _, score in rules),
            Path(found["path"]),
        )

    def __str__(self) -> str:
        rules = ",".join(f"{label}>={score:g}" for label, score in self.rules)
        return f"{self.name}@{self.identity}[{rules}] {self.path}"


class UserModels(BaseFilter):
    """Scores of users' classifiers; rejects where a label's score is high enough.

    Of the card ``NAME`` it measures ``NAME_label`` (the likeliest), ``NAME_score`` (its score),
    ``NAME_is_LABEL`` (each label's) and ``NAME_model``: which card and model said so.
    """

    name: ClassVar[str] = "models"
    order: ClassVar[int] = 60
    reasons: ClassVar[Mapping[str, str]] = {
        "model_label": "a model of your own gives it a label that you do not want"
    }
    Options: ClassVar[type[ModelOptions]] = ModelOptions

    def __init__(self, classifiers: tuple[Classifier, ...] = ()) -> None:
        self._classifiers = classifiers

    def kept(self, options: ModelOptions) -> ModelOptions:
        """The options with each card's name, identity and rules. Raises ModelError."""
        cards = []
        for given in options.cards:
            cards.append(Kept.read(given) or _look_at(Path(given), options))
        names = [card.name for card in cards]
        for card in cards:
            if names.count(card.name) > 1:
                raise ModelError(f"two models are called {card.name!r}; give one another name")
        for name in {name for name, _, _ in _own_rules(options)}:
            if names and name not in names:  # without cards it is said of those of a crawl
                raise ModelError(f"models.reject names {name!r}; the cards are {_list(names)}")
        return replace(options, cards=tuple(map(str, cards)))

    def configured(self, options: ModelOptions) -> UserModels:
        """A filter that runs these models. Raises ModelError where a file is another by now."""
        classifiers = []
        for card in _cards(options):
            classifier = _classifier(card.path, options)
            if classifier.identity != card.identity:
                raise ModelError(
                    f"{card.path} or its model is not what it was when the crawl began:"
                    " name the card again"
                )
            classifier.check()
            classifiers.append(classifier)
        return UserModels(tuple(classifiers))

    def is_measured(self, measures: Measures, options: ModelOptions) -> bool:
        return all(measures.get(f"{c.name}_model") == c.identity for c in _cards(options))

    def together(self, before: Measures, now: Measures) -> Measures:
        return {**{k: v for k, v in before.items() if k != "failed"}, **now}

    def measure(self, picture: Picture) -> Measures:
        """Raises ModelError where a model and its card do not fit together."""
        from filters.model_card import word

        out: dict[str, Scalar] = {}
        for classifier in self._classifiers:
            name = classifier.card.name
            scores = classifier.scores(picture)
            likeliest = max(scores, key=scores.__getitem__)
            out |= {f"{name}_label": likeliest, f"{name}_score": scores[likeliest]}
            out |= {f"{name}_is_{word(label)}": score for label, score in scores.items()}
            out[f"{name}_model"] = classifier.identity
        return out

    def judge(self, claims: Claims, measures: Measures, policy: Policy) -> Rejection | None:
        return policy.first(_objections(measures, policy[self.name]))


def _objections(measures: Measures, options: ModelOptions) -> Iterator[Rejection]:
    own: dict[str, list[tuple[str, float]]] = {}
    for name, label, least in _own_rules(options):
        own.setdefault(name, []).append((label, least))
    for card in _cards(options):
        # What another model said under this name is no word of this one.
        if measures.get(f"{card.name}_model") != card.identity:
            continue
        for label, least in own.get(card.name, card.rules):
            score = measures.get(f"{card.name}_is_{label}")
            if isinstance(score, (int, float)) and score >= least:
                yield Rejection("model_label", f"{card.name}.{label} {score:g}", least)


def _look_at(path: Path, options: ModelOptions) -> Kept:
    from filters.model_card import word

    classifier = _classifier(path.expanduser().absolute(), options)
    card = classifier.card
    rules = tuple((word(label), least) for label, least in card.rules)
    known = [word(label) for label in card.labels]
    for name, label, _ in _own_rules(options):
        if name == card.name and label not in known:
            raise ModelError(f"models.reject: {name} has no label {label!r}, but {_list(known)}")
    return Kept(card.name, classifier.identity, rules, classifier.path)


def _classifier(path: Path, options: ModelOptions) -> Classifier:
    from filters.classifier import Classifier

    return Classifier(path, max_bytes=options.max_model_bytes)


def _cards(options: ModelOptions) -> Iterator[Kept]:
    for text in options.cards:
        card = Kept.read(text)
        if card is None:
            raise ValueError(f"{text} was not looked at")
        yield card


def _own_rules(options: ModelOptions) -> Iterator[tuple[str, str, float]]:
    for text in options.reject:
        found = _RULE.fullmatch(text)
        try:
            if found is None or not 0 <= float(found["score"]) <= 1:
                raise ValueError
            yield found["name"], found["label"], float(found["score"])
        except ValueError:
            raise ModelError(
                f"models.reject takes NAME.LABEL=SCORE, such as monochrome.monochrome=0.7, with a"
                f" score of 0 to 1, not {text!r}"
            ) from None


def _list(names: list[str]) -> str:
    return ", ".join(names) or "none"
