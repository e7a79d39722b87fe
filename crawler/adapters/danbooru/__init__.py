"""Danbooru, Safebooru and other instances of the same software."""

from crawler.adapters.danbooru.adapter import Danbooru

__all__ = ["Danbooru"]
