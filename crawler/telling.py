"""What a run tells while it goes: to its observers, to the one consumer, and in its end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from crawler.reports import Observer, Report, work_report
from crawler.run import Tap
from crawler.stats import Stats
from storage.disk import in_our_words
from storage.reader import Reader
from storage.records import Candidate
from storage.states import Settled


@dataclass
class Teller:
    """Counts and tells what commits changed. ``broke`` hears of observers that raise."""

    stats: Stats
    broke: Callable[[Exception], None]
    observers: list[Observer] = field(default_factory=list)
    tap: Tap | None = None
    warnings: list[str] = field(default_factory=list)
    """What a person should know that ended nothing, each once."""

    def report(self, report: Report) -> None:
        """Tell every observer."""
        for observer in self.observers:
            try:
                observer(report)
            except Exception as error:
                self.broke(error)

    def warn(self, line: str) -> None:
        """Say this at the end of the run."""
        if line not in self.warnings:
            self.warnings.append(line)

    async def settled(
        self, change: Settled, candidate: Candidate | None, reader: Reader, crawl_id: str
    ) -> None:
        """Tell of one work that reached a state; hand a new picture to the consumer."""
        self.stats.states[change.ruling.state] += 1
        if not self.observers and (self.tap is None or change.ruling.state != "accepted"):
            return
        with in_our_words(reader.workspace):
            image = reader.image(change.candidate_id, crawl_id)
        if candidate is None:
            candidate = Candidate(change.site, "", change.site_id)
        self.report(work_report(candidate, change.ruling, image))
        if self.tap is not None and image is not None and change.ruling.state == "accepted":
            await self.tap.put(image)
