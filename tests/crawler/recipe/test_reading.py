"""Recipes as people write them: what they mean, and what is said of mistakes."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.errors import ConfigError
from crawler.recipe.plan import Recipe, places
from crawler.recipe.reading import read, read_text

ROOT = Path(__file__).parent.parent.parent.parent
SOURCE = '[[source]]\nfrom = "danbooru"\nquery = "hakurei_reimu"\n'


def recipe(text: str, path: Path = Path("/recipes/it.toml")) -> Recipe:
    return read_text(text, path)


def with_sources(*lines: str, target: int = 200, after: str = "") -> str:
    parts = (f'{SOURCE}name = "s{n}"\n{line}\n' for n, line in enumerate(lines))
    return f"target = {target}\n{''.join(parts)}{after}"


def test_the_recipe_of_the_documentation_means_what_it_says() -> None:
    found = read(ROOT / "docs" / "recipes" / "character.toml")
    official, rest = found.sources
    assert (found.target, found.spare) == (200, 200)
    assert (official.name, official.words, official.least, official.most) == (
        "official",
        ("hakurei_reimu",),
        120,
        120,
    )
    assert official.options == {"tiers": ("official",)}
    assert official.policy["resolution"] == {"min_side": 768}
    assert (rest.words, rest.least, rest.most) == (("hakurei_reimu", "-official_art"), 0, 200)
    assert found.quotas.artist == 20
    assert found.quotas.groups == {"g": "general", "s": "sensitive"}
    assert found.quotas.ratings == {"general": 182, "sensitive": 18}
    assert found.export is not None
    assert found.export.out == ROOT / "docs" / "recipes" / "sets" / "reimu"
    assert found.export.options == {"trigger": "hakurei reimu"}


def test_min_and_max_are_counts_and_one_source_is_enough() -> None:
    found = recipe(with_sources("min = 20\nmax = 50", ""))
    assert [(s.least, s.most) for s in found.sources] == [(20, 50), (0, 200)]
    assert recipe(f"target = 5\n{SOURCE}").sources[0].name == "danbooru"


def test_paths_are_seen_from_the_folder_of_the_recipe(tmp_path: Path) -> None:
    text = 'target = 5\n[[source]]\nfrom = "folder"\nquery = "~/mine \'my pictures\'"\n'
    words = recipe(text, tmp_path / "r.toml").sources[0].words
    assert words == (str(Path.home() / "mine"), str(tmp_path / "my pictures"))


def test_a_source_may_ask_for_more_than_the_recipe() -> None:
    text = with_sources(
        "[source.policy.resolution]\nmin_side = 1024\n[source.policy]\nallow = ['comic']",
        "",
        after="[policy.resolution]\nmin_pixels = '0.9M'\n[policy]\nallow = ['monochrome']\n",
    )
    own, other = recipe(text).sources
    assert own.policy == {
        "resolution": {"min_side": 1024, "min_pixels": 900_000},
        "allow": ["comic", "monochrome"],
    }
    assert other.policy == {"resolution": {"min_pixels": 900_000}, "allow": ["monochrome"]}


def test_ratings_are_counted_in_groups() -> None:
    found = recipe(with_sources("", after='[quota.rating]\n"g,sensitive" = 10\n"q, e" = 1\n'))
    assert found.quotas.groups == dict.fromkeys("gs", "g,sensitive") | dict.fromkeys("qe", "q, e")
    assert sum(found.quotas.ratings.values()) == 200


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("target = ", "is not TOML"),
        ("target = 0\n" + SOURCE, "target takes a whole number from 1"),
        ("target = 2.5\n" + SOURCE, "target takes a whole number"),
        (SOURCE, "target is missing"),
        ("target = 5", "one or more sources"),
        ("target = 5\n[source]\nfrom = 'danbooru'", "one or more sources"),
        ("tarhet = 5\n" + SOURCE, "no key of a recipe called 'tarhet'; did you mean target"),
        (with_sources("shere = 0.5"), "no key of a source called 'shere'; did you mean share"),
        (with_sources("tiers = 'best'"), "source s0: no tier called 'best'"),
        (with_sources("share = 0"), "share takes a number above 0 and at most 1, not 0"),
        (with_sources("share = true"), "share takes a number"),
        (with_sources("share = nan"), "share takes a number"),
        (with_sources("share = 0.6", "share = 0.6"), "together more than 1"),
        (with_sources("share = 0.6\nmax = 3", ""), "min and max say it again"),
        (with_sources("min = 5\nmax = 3", ""), "min 5 is more than max 3"),
        (with_sources("min = 150", "min = 60"), "210 places are kept .* the target is 200"),
        (with_sources("share = 0.6", "max = 20"), "may give 140 pictures together"),
        (with_sources("name = 'x'"), "is not TOML"),
        (f"target = 5\n{SOURCE}{SOURCE}", "two sources are called 'danbooru'"),
        ("target = 5\n[[source]]\nfrom = 'danboru'\nquery = 'x'", "did you mean danbooru"),
        ("target = 5\n[[source]]\nfrom = 'danbooru'", "query is missing"),
        ("target = 5\n[[source]]\nquery = 'x'", "name takes"),
        ("target = 5\n[[source]]\nfrom = 'folder'\nquery = \"'a\"", "query: No closing quotation"),
        (with_sources("", after="[policy.resolutoin]\nmin_side = 3"), "resolution"),
        (with_sources("", after="[policy.resolution]\nmin_sid = 3"), "min_side"),
        (with_sources("", after="[policy]\nmin_side = 3"), "sections such as"),
        (with_sources("", after="[quota.artists]\nmax = 3"), "did you mean artist"),
        (with_sources("", after="[quota.artist]\nmax_share = 2"), "above 0 and at most 1"),
        (with_sources("", after="[quota.artist]\nmax = 2\nmax_share = 1"), "give one of them"),
        (with_sources("", after="[quota.rating]\ngenral = 2"), "did you mean general"),
        (with_sources("", after="[quota.rating]\ngeneral = 0"), "takes a number above 0"),
        (with_sources("", after="[quota.rating]\ngeneral = 1\ng = 2"), "stands in two groups"),
        (with_sources("", after="[export]\nlayout = 'kohya'"), "out ="),
        (with_sources("", after="[export]\nlayout = 'koya'\nout = 'x'"), "did you mean kohya"),
        (with_sources("", after="[export]\nout = 'x'\ntriger = 'y'"), "did you mean trigger"),
        ("quota = 3\ntarget = 5\n" + SOURCE, "quota is a section"),
    ],
)
def test_a_mistake_is_told_with_its_place(text: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said) as told:
        recipe(text)
    assert str(told.value).startswith("/recipes/it.toml")


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.toml cannot be read: No such file"):
        read(tmp_path / "none.toml")
    (tmp_path / "latin.toml").write_bytes(b"target = '\xe9'")
    with pytest.raises(ConfigError, match="not text in UTF-8"):
        read(tmp_path / "latin.toml")


VALUES = st.recursive(
    st.none().map(lambda _: "x") | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


def toml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return (
            '"' + "".join(f"\\U{ord(c):08x}" for c in value if not 0xD800 <= ord(c) < 0xE000) + '"'
        )
    if isinstance(value, list):
        return "[" + ",".join(map(toml, value)) + "]"
    if isinstance(value, dict):
        return "{" + ",".join(f"{toml(k)} = {toml(v)}" for k, v in value.items()) + "}"
    return str(value)


KEYS = """
share min max query name from tiers policy target spare quota.artist quota.rating quota export
""".split()  # noqa: SIM905 - lists of names read better as words


@given(
    key=st.sampled_from(KEYS),
    value=VALUES,
)
def test_anything_is_a_recipe_or_a_mistake_that_is_told(key: str, value: object) -> None:
    line = f"{key} = {toml(value)}\n"
    top = key.partition(".")[0] in ("target", "spare", "quota", "export", "source")
    text = f"{line}target = 5\n{SOURCE}" if top else f"target = 5\n{SOURCE}{line}"
    for tried in (text, text.replace("target = 5\n", "", 1)):
        try:
            found = recipe(tried)
        except ConfigError:
            continue
        assert 0 <= sum(s.least for s in found.sources) <= found.target
        assert sum(s.most for s in found.sources) >= found.target


@given(st.lists(st.fractions(0, 1), max_size=6), st.integers(0, 1_000))
def test_whole_places_are_as_near_to_the_shares_as_they_can_be(
    shares: list[Fraction], total: int
) -> None:
    found = places(shares, total)
    assert sum(found) == int(sum(shares) * total)
    assert all(abs(place - share * total) < 1 for place, share in zip(found, shares, strict=True))


@pytest.mark.parametrize(
    ("after", "told"),
    [
        ('[export]\nout = "~nobody-of-that-name/x"\n', "~nobody-of-that-name/x"),
        ('[[source]]\nfrom = "folder"\nquery = "~nobody-of-that-name"\n', "~nobody-of-that-name"),
        ('[quota.rating]\n"," = 1\n', "quota.rating: ',' names no rating"),
        ('[quota.rating]\n"" = 1\n', "quota.rating: '' names no rating"),
    ],
)
def test_a_home_of_nobody_and_a_group_of_nothing_are_told(after: str, told: str) -> None:
    with pytest.raises(ConfigError) as refused:
        recipe(with_sources("", after=after))
    assert "it.toml" in str(refused.value)
    assert told in str(refused.value)
