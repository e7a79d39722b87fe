"""What ought to become of every work, in plain Python: dictionaries and no database."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from crawler.verdicts import Rules
from storage.candidates import read_candidate
from storage.records import Candidate, Ruling
from tests.properties.driver import Disk
from tests.properties.world import BY_SHA256

OPEN = ("pending", "waiting")
TAKEN = ("accepted", "duplicate")


@dataclass
class Known:
    """What is known of a work, whichever crawl met it."""

    claims: Candidate
    image: str | None = None
    rung: int = 0
    fetched: bool = False
    """Whether the picture is what came from its own first rung, and not a twin's."""
    md5: str | None = None
    """The last one that the source told."""
    blocked: bool = False

    @property
    def file(self) -> str | None:
        """The md5 of the file that the source gave when it was asked last."""
        if self.md5 is None and self.fetched and self.image is not None and self.rung == 0:
            return BY_SHA256[self.image].md5
        return self.md5


@dataclass
class Model:
    """Works by site_id, and for each crawl the state of its works, in the order it met them."""

    known: dict[str, Known] = field(default_factory=dict)
    crawls: dict[str, dict[str, str]] = field(default_factory=dict)

    def page(self, crawl: str, listed: Sequence[tuple[Candidate, Ruling]]) -> None:
        """A page was listed: new works join, known ones change where the source says so."""
        states = self.crawls[crawl]
        for claims, ruling in listed:
            site_id = claims.site_id
            before = states.get(site_id)
            said = self._said(site_id)
            replaced = self.record(claims, ruling)
            known = self.known[site_id]
            anew = known.image is None or said != self._said(site_id)
            claimed = before == "unavailable" or (before == "rejected" and anew)
            if known.blocked:
                states[site_id] = "rejected"
            elif before is None or ruling.state != "pending" or replaced or claimed:
                states[site_id] = ruling.state
        self.regroup()

    def _said(self, site_id: str) -> object:
        """What a source says that no measure of a picture outweighs."""
        known = self.known.get(site_id)
        return known and (known.claims.rating, known.claims.tags)

    def record(self, claims: Candidate, ruling: Ruling) -> bool:
        """The source says this of a work. Whether it says that the file was replaced."""
        known = self.known.setdefault(claims.site_id, Known(claims, md5=claims.md5))
        if known.blocked:
            return False
        if ruling.reason == "blocked_content":
            self._block(claims.site_id)
            return False
        replaced = bool(known.file and claims.md5 and known.file != claims.md5)
        known.claims, known.md5 = claims, claims.md5 or known.md5
        if replaced and known.image is not None:
            known.image = None
            for states in self.crawls.values():
                if states.get(claims.site_id) in TAKEN:
                    states[claims.site_id] = "pending"
            self.regroup()
        return replaced

    def _block(self, site_id: str) -> None:
        image = self.known[site_id].image
        for twin, known in self.known.items():
            if twin == site_id or (image is not None and known.image == image):
                known.blocked, known.image = True, None
                for states in self.crawls.values():
                    if twin in states:
                        states[twin] = "rejected"

    def judge(self, site_id: str, rules: Rules) -> Ruling:
        """The verdict on what is known: a pure function of claims, measures and policy."""
        known = self.known[site_id]
        if known.image is None or known.claims.unavailable is not None:
            return rules.of_claims(known.claims)
        measures = BY_SHA256[known.image].image.measures
        return rules.of_picture(known.claims.from_rung(known.rung), measures)

    def rejudge(self, crawl: str, rules: Rules, stored: set[str]) -> None:
        """Every work of a crawl that has a verdict of a policy follows another one."""
        states = self.crawls[crawl]
        for site_id, before in states.items():
            if self.known[site_id].blocked:
                continue
            if self.judge(site_id, rules).reason == "blocked_content":
                self._block(site_id)
            elif before in (*TAKEN, "rejected", "pending"):
                states[site_id] = self._judged_again(site_id, before, rules, stored)
        self.regroup()

    def _judged_again(self, site_id: str, before: str, rules: Rules, stored: set[str]) -> str:
        state = self.judge(site_id, rules).state
        held = self.known[site_id].image in stored
        return "pending" if state == "accepted" and (before == "pending" or not held) else state

    def settled(self, crawl: str, site_id: str, state: str) -> None:
        self.crawls[crawl][site_id] = state
        self.regroup()

    def regroup(self) -> None:
        """Of the works of a crawl that are one picture, the first is accepted."""
        for states in self.crawls.values():
            seen: set[str] = set()
            for site_id, state in states.items():
                image = self.known[site_id].image
                if state in TAKEN and image is not None:
                    states[site_id] = "duplicate" if image in seen else "accepted"
                    seen.add(image)

    def read(self, disk: Disk) -> None:
        """Begin again from what a killed process has committed."""
        self.known, self.crawls = {}, {crawl: {} for (crawl,) in disk.rows("SELECT id FROM crawls")}
        for number, site_id, image, rung, outcome, md5 in disk.rows(
            "SELECT id, site_id, image, rung, outcome, md5 FROM candidates"
        ):
            self.known[site_id] = Known(
                read_candidate(disk.db, number),
                image,
                rung or 0,
                fetched=outcome == "fetched",
                md5=md5,
                blocked=outcome == "blocked",
            )
        for crawl, site_id, state in works_in_order(disk):
            self.crawls[crawl][site_id] = state


def works_in_order(disk: Disk) -> list[tuple[str, str, str]]:
    """(crawl, site_id, state) of every work in the catalog, in the order of each crawl."""
    return [
        (str(crawl), str(site_id), str(state))
        for crawl, site_id, state in disk.rows(
            "SELECT w.crawl_id, c.site_id, w.state FROM works w"
            " JOIN candidates c ON c.id = w.candidate_id ORDER BY w.crawl_id, w.position"
        )
    ]
