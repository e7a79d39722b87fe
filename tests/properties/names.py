"""Names as strangers write them: by the thousand, the same ones for the same seed."""

# ruff: noqa: SIM905 - lists of pieces read better as words
from __future__ import annotations

import random
import unicodedata
from pathlib import Path

from storage.records import AcceptedImage

_PIECES = (
    *"a b A B z Z 0 9 _ - . ~ / \\ : * ? \" < > | ' $ % & ; \0 \n \r \t \x1b \x7f".split(" "),
    *("..", "../", "..\\", "/etc/passwd", "C:", "\\\\host\\share", "file://", "%2e%2e%2f", "~root"),
    *("con", "CON", "nul", "aux.txt", "COM1", "com¹", "LPT9", "lpt0", "conin$", "CLOCK$"),
    *(".jpg", ".PNG", ".jpeg", ".txt", ".npz", ".trawl-export.json", "metadata", "multiply"),
    *("masklabel", "-masklabel", "condlabel", "local", "global", "train", "test", "unknown"),
    # bidi, zero width, joiners, separators that are not spaces
    *("\u202e", "\u2066", "\u200b", "\u200d", "\ufeff", "\u2028", "\u3000", "\xa0", "\xad"),
    # letters that fold, compose or grow
    *("é", "e\u0301", "İ", "i\u0307", "ı", "ß", "ẞ", "ﬁ", "fi", "Ǆ", "ς", "σ", "K", "Å", "Å"),
    *("東方", "ハ", "ﾊ", "か\u3099", "が", "한", "\u1112\u1161\u11ab", "हि", "ก็", "𝕏", "🙂", "①"),
    *("\ufffd", "\U0010ffff"),
)
_HALVES = ("\ud800", "\udfff")
"""Half characters: JSON can spell them, no catalog holds them."""


def text(random: random.Random, *, halves: bool = False) -> str:
    """A name, or a part of one: pieces of trouble, often few, now and then very many."""
    most = random.choice((1, 2, 3, 6, 12, 150))
    pieces = random.choices(_PIECES, k=random.randint(0, most))
    written = "".join(pieces)
    if halves and random.random() < 0.05:
        written += random.choice(_HALVES)
    form = random.choice((None, None, "NFC", "NFD", "NFKC"))
    return written if form is None else unicodedata.normalize(form, written)


def images(seed: int, count: int, path: Path | None = None) -> list[AcceptedImage]:
    """Different works with such names; where there is a ``path``, all are the picture there."""
    halves = path is None
    chance = random.Random(seed)
    made: dict[tuple[str, str], AcceptedImage] = {}
    sites = ["danbooru", text(chance, halves=halves), text(chance, halves=halves)]
    while len(made) < count:
        identity = (chance.choice(sites), text(chance, halves=halves))
        made[identity] = AcceptedImage(
            candidate_id=len(made),
            site=identity[0],
            site_id=identity[1],
            sha256="ab" * 32,
            path=path,
            format="png",
            width=1,
            height=1,
            bytes=1,
            state="accepted",
            tags={"artist": (text(chance, halves=halves),)} if chance.random() < 0.5 else {},
        )
    return list(made.values())
