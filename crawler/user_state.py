"""Where what all crawls of a user share is kept."""

from __future__ import annotations

from pathlib import Path


def hosts_file() -> Path:
    """The waits that hosts asked for. It need not exist."""
    from platformdirs import user_state_path

    return user_state_path("trawl") / "hosts.db"
