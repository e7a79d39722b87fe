"""Captions in an export folder that a person wrote over ours.

Trainers edit captions by hand, so the folder remembers what we wrote: a caption that is neither
that nor what we would write now is theirs.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from pathlib import Path

from stages.export import disk
from stages.export.state import CAPTION_SUFFIX, State

EDITED = "edited captions left alone (--option overwrite=yes puts ours back)"
ORPHANED = "edited captions kept, their pictures are gone (--option overwrite=yes removes them)"
WORDLESS = 'captions are only "image": nothing is known of the picture (give a trigger or tags)'


def fingerprint(caption: bytes) -> str:
    """What is remembered of a caption that we wrote."""
    return hashlib.sha256(caption).hexdigest()


def is_edited(present: bytes | None, written: Collection[str], ours: bytes | None = None) -> bool:
    """Whether the caption in place is a person's own.

    ``written`` are the fingerprints of what we wrote there, ``ours`` is what we would write. A
    missing caption, or one of no bytes, is nobody's: at an empty file trainers stop.
    """
    return bool(present) and present != ours and fingerprint(present or b"") not in written


def as_text(caption: bytes) -> str:
    """A caption of any editor's as a trainer reads it, for the tables that tell of it."""
    return caption.decode("utf-8-sig", "replace").strip()


def orphans(out: Path, old: State, wanted: Collection[str]) -> dict[str, str]:
    """The edited caption files of an export that are not ``wanted`` any more, with their stems."""
    stems = {stem + CAPTION_SUFFIX: stem for stem in old.captions}
    return {
        file: stems[file]
        for file in (old.files() & stems.keys()).difference(wanted)
        if is_edited(disk.content(out / file), old.captions[stems[file]])
    }
