"""Time is measured where it is the property; everywhere else machines may be busy."""

from __future__ import annotations

from hypothesis import settings

from tests.properties.amount import amount

settings.register_profile("properties", deadline=None, max_examples=amount(100, 5_000))
settings.load_profile("properties")
