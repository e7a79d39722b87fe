from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filters import content
from filters.content import blocked, blocked_words
from filters.policy import PolicyError
from tests.filters.support import Work, judge, tagged

MARKING = ["loli", "shota", "lolicon", "shotacon", "toddlercon", "oppai_loli", "straight_shota"]
AGE_CODED = [
    "child", "female_child", "male_child", "aged_down", "toddler", "baby", "infant",
    "kindergarten_uniform",
]  # fmt: skip
INNOCENT = [
    "lolita_fashion", "gothic_lolita", "sweet_lolita", "shota_kazehaya", "lollipop", "lolicore",
    "childhood_friends", "children's_day", "babydoll", "baby_bottle", "kidney", "loli_(artist)",
    "cute", "1girl", "solo", "school_uniform", "flat_chest",
]  # fmt: skip
marking = st.sampled_from(MARKING)
ratings = st.sampled_from(["g", "s", "q", "e", None])
plain = st.text("abcdefgmnpqruvwxyz_", min_size=6, max_size=12)


@pytest.mark.parametrize("tag", MARKING)
@pytest.mark.parametrize("rating", ["g", "s", "q", "e", None])
@pytest.mark.parametrize("category", ["general", "meta", "character", "copyright", "artist", ""])
def test_works_marked_by_a_tag_are_blocked_at_every_rating(
    tag: str, rating: str | None, category: str
) -> None:
    assert blocked(tagged("1girl", tag, rating=rating, category=category))


@pytest.mark.parametrize(
    "tag",
    [
        "Loli",
        "LOLICON",
        "straight shota",
        "oppai-loli",
        "toddler con",
        "ｌｏｌｉ",
        "lo\u200bli",
        "ロリ",
    ],
)
def test_the_spelling_of_a_tag_does_not_help(tag: str) -> None:
    assert blocked(tagged(tag, rating="g"))


@pytest.mark.parametrize("tag", AGE_CODED)
def test_age_coded_works_pass_only_when_rated_general(tag: str) -> None:
    assert not blocked(tagged(tag, rating="g"))
    for rating in ("s", "q", "e", None, "general?"):
        assert blocked(tagged(tag, rating=rating))


@pytest.mark.parametrize("tag", INNOCENT)
def test_only_whole_tags_count(tag: str) -> None:
    assert not blocked(tagged(tag, rating="e"))
    assert blocked_words([tag]) == []


@pytest.mark.parametrize("rating", ["g", "s", None])
@pytest.mark.parametrize(
    "caption",
    [
        "A nude loli on a bed.",
        "LOLI",
        "my loli-chan!",
        "the loli's room",
        "two (shota) boys",
        "a lo\u200bli",
        "ｌｏｌｉ、海",
        "oppai_loli, sky",
        "a toddler con drawing",
        "ロリの絵",
        "裸のロリ",
        "3人のloliたち",
    ],
)
def test_a_caption_that_names_it_blocks_at_every_rating(caption: str, rating: str | None) -> None:
    assert blocked(Work(caption=caption, rating=rating))


@pytest.mark.parametrize(
    "caption",
    [
        "a lollipop and lolicore music",
        "Cattle at the farm, calories and kidneys",
        "カロリーの少ない料理",
        "the Shotanah river",
        "",
    ],
)
def test_only_whole_words_of_a_caption_count(caption: str) -> None:
    assert not blocked(Work(caption=caption, rating="e"))


@pytest.mark.parametrize(
    ("caption", "tags", "rating", "result"),
    [
        ("A child playing in the park.", (), None, False),
        ("A child playing in the park.", (), "g", False),
        ("A child playing in the park.", (), "s", True),
        ("A little girl in a garden", (), "e", True),
        ("A naked child.", (), None, True),
        ("A naked child.", (), "g", True),
        ("nude little-girl", (), None, True),
        ("A child.", ("nude",), None, True),
        ("A naked woman.", (), None, False),
        ("A child and an adult, both sensitive people", (), None, False),
        (None, ("a nude child", "solo"), None, True),
        (None, ("baby bottle",), "s", False),
        (None, ("a child in a park",), None, False),
    ],
)
def test_age_coded_words_of_prose_count_beside_explicit_ones_or_a_rating(
    caption: str | None, tags: tuple[str, ...], rating: str | None, result: bool
) -> None:
    assert blocked(Work(caption=caption, tags={"": tags}, rating=rating)) is result


@pytest.mark.parametrize("tag", ["a nude loli", "(loli:1.2)", "{loli}", "loli;solo", "my shota"])
def test_every_word_counts_of_a_tag_that_is_a_phrase(tag: str) -> None:
    assert blocked(tagged(tag, rating="g"))


@given(marking, st.text(max_size=30), st.text(max_size=30), ratings)
def test_no_sentence_hides_a_marking_word(
    tag: str, before: str, after: str, rating: str | None
) -> None:
    assert blocked(Work(caption=f"{before} {tag} {after}", rating=rating))


@given(marking, st.lists(plain, max_size=5), ratings, st.randoms(use_true_random=False))
def test_no_company_hides_a_marked_work(tag, others, rating, random) -> None:  # type: ignore[no-untyped-def]
    tags = [tag, *others]
    random.shuffle(tags)
    assert blocked(Work(tags={"general": tags}, rating=rating))


@given(marking)
def test_nothing_switches_the_block_off(tag: str) -> None:
    everything = judge()
    for reason in ("blocked_content", "rating"):
        with pytest.raises(PolicyError, match="no reason to allow"):
            everything.policy({"allow": [reason]})
    policy = everything.policy(
        {
            "content": {"ratings": ["g", "s", "q", "e"]},
            "allow": sorted(set(everything.reasons()) - {"blocked_content", "rating"}),
        }
    )
    for rejection in (
        everything.prescreen(tagged(tag, rating="g"), policy),
        everything.verdict(tagged(tag, rating="g"), {"content": {"version": 1}}, policy),
    ):
        assert rejection is not None
        assert rejection.reason == "blocked_content"


def test_nothing_is_told_of_a_blocked_work_but_the_reason() -> None:
    everything = judge()
    rejection = everything.prescreen(tagged("loli", rating="e"), everything.policy())
    assert rejection is not None
    assert (rejection.measured, rejection.threshold) == (None, None)


@pytest.mark.parametrize(
    ("rating", "reason"), [("g", None), ("s", None), ("q", "rating"), ("e", "rating"), (None, None)]
)
def test_general_and_sensitive_works_are_asked_for_by_default(
    rating: str | None, reason: str | None
) -> None:
    everything = judge()
    rejection = everything.prescreen(tagged("1girl", rating=rating), everything.policy())
    assert (rejection.reason if rejection else None) == reason


def test_other_ratings_are_asked_for_by_name() -> None:
    everything = judge()
    policy = everything.policy({"content": {"ratings": ["e"]}})
    assert everything.prescreen(tagged("solo", rating="e"), policy) is None
    rejection = everything.prescreen(tagged("solo", rating="g"), policy)
    assert rejection is not None
    assert (rejection.reason, rejection.measured, rejection.threshold) == ("rating", "g", "e")
    with pytest.raises(PolicyError, match=r"no value of content\.ratings called 'x'"):
        everything.policy({"content": {"ratings": ["x"]}})
    with pytest.raises(PolicyError, match="takes a list"):
        everything.policy({"content": {"ratings": "g"}})


@pytest.mark.parametrize(
    ("words", "refused"),
    [
        (["loli"], ["loli"]),
        (["hakurei_reimu", "Shota"], ["Shota"]),
        (["~loli", "~cat"], ["~loli"]),
        (["(", "cat", "or", "loli", ")"], ["loli"]),
        (["(cat or loli)"], ["loli)"]),
        (["~(loli", "solo)"], ["~(loli"]),
        (["lol*"], ["lol*"]),
        (["*shota*"], ["*shota*"]),
        (["*"], ["*"]),
        (["lol* cat"], ["lol*"]),
        (["--loli"], ["--loli"]),
        (["-(-loli)"], ["-(-loli)"]),
        (["-(", "loli"], ["loli"]),
        (["cat)", "-loli"], ["-loli"]),
        (["ai:loli,50%"], ["ai:loli,50%"]),
        (["a,loli"], ["a,loli"]),
        (["toddler", "con"], ["toddler", "con"]),
        (["child", "rating:e"], ["child"]),
        (["child", "rating:g,q"], ["child"]),
        (["little", "girl", "nude"], ["little", "girl"]),
        (["kindergarten_*", "is:nsfw"], ["kindergarten_*"]),
    ],
)
def test_queries_that_are_never_sent(words: list[str], refused: list[str]) -> None:
    assert blocked_words(words) == refused


@pytest.mark.parametrize(
    "words",
    [
        ["-loli"],
        ["solo", "-shota", "-lol*"],
        ["-(loli or shota)"],
        ["-(", "loli", ")"],
        ["-(cat", "(loli", "solo))"],
        ["child"],
        ["child", "rating:g"],
        ["child", "-rating:e"],
        ["lolita_*"],
        ["hakurei_reimu", "*_hair"],
        ["shota_(character)"],
        ["(o)_(o)", ">:("],
        [],
    ],
)
def test_queries_that_are_fine(words: list[str]) -> None:
    assert blocked_words(words) == []


@pytest.mark.parametrize("word", ["child", "little_girl", "toddler", "kindergarten_*"])
def test_age_coded_words_are_refused_where_the_policy_wants_more_than_general(word: str) -> None:
    assert blocked_words([word], ("g",)) == []
    for wanted in (("g", "s"), ("q", "e"), ("s",), ("g", "s", "q", "e")):
        assert blocked_words(["solo", word], wanted) == [word]
        assert blocked_words(["solo", f"-{word}"], wanted) == []


@given(
    marking.map(str.upper) | marking | marking.map(lambda tag: tag.replace("_", "-")),
    st.lists(plain | plain.map("-{}".format) | plain.map("~{}".format), max_size=4),
    st.integers(0, 4),
    st.sampled_from(["{}", "~{}", "({}", "--{}", '"{}"']),
)
def test_a_blocked_word_is_found_anywhere_in_a_query(
    tag: str, others: list[str], at: int, how: str
) -> None:
    word = how.format(tag)
    assert word in blocked_words([*others[:at], word, *others[at:]])


@given(marking, st.integers(1, 12))
def test_a_wildcard_that_reaches_a_blocked_tag_is_refused(tag: str, cut: int) -> None:
    assert blocked_words([tag[:cut] + "*"])
    assert blocked_words(["*" + tag[-cut:]])


@given(st.lists(st.text(max_size=15), max_size=6))
def test_any_query_is_read_without_error_and_answers_with_its_own_words(words: list[str]) -> None:
    assert set(blocked_words(words)) <= set(" ".join(words).split())


def test_no_word_comes_or_goes_without_a_new_version() -> None:
    """Who changes the words raises ``VERSION``, so that what was accepted is judged again."""
    words = (content._BLOCKED, content._AGE_CODED, content._UNDRESSED)
    told = hashlib.sha256("\n".join(",".join(sorted(some)) for some in words).encode())
    assert (content.VERSION, told.hexdigest()[:12]) == (1, "8955e168df34")
