"""The state machine: crawls, crashes and changes of mind in any order, against the model."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import astuple
from pathlib import Path
from typing import ClassVar

from hypothesis import note
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from crawler.acquire import OUTAGE
from crawler.errors import FetchError
from crawler.verdicts import Rules
from storage import consumers, stream
from storage.judging import rejudging
from storage.records import Work
from storage.rows import dumps
from tests.properties import promises
from tests.properties.choices import (
    SITE_IDS,
    TROUBLE,
    Command,
    commands,
    fuses,
    ids,
    judge,
    listings,
)
from tests.properties.driver import Disk, Killed, Run, ruling_of, without_tidying
from tests.properties.follower import Follower
from tests.properties.model import OPEN, TAKEN, Model
from tests.properties.world import BY_SHA256, Post, World, posts

MEMORY = Path("/dev/shm")
CHUNK = 2
"""Works judged again in one transaction: few, so that processes die in between."""


class Catalog(RuleBasedStateMachine):
    """Whatever happens in whatever order, the catalog is what the model says."""

    steps: ClassVar[int] = 0
    """Rules that were run in this process, over all examples."""
    run: Run

    def __init__(self) -> None:
        super().__init__()
        Catalog.steps += 1
        self.chunk, rejudging.CHUNK = rejudging.CHUNK, CHUNK
        memory = MEMORY if MEMORY.is_dir() else None
        self.folder = Path(tempfile.mkdtemp(prefix="trawl-machine-", dir=memory))
        self.disk = Disk(self.folder / "ws")
        self.world = World(SITE_IDS)
        self.model = Model()
        self.slow, self.prompt = Follower(), Follower()
        self.known_commands: dict[str, Command] = {}
        """Query -> how it was run last."""
        self.fallback: Command | None = None
        self.grown = False
        """Whether content safety blocks more than when the first crawl was run."""
        self.troubled: set[int] = set()
        """Positions of works whose bytes did not come, in this run."""
        self.undisturbed: set[str] = set()
        """Crawls that one policy and one target have ruled, and that met each work but once."""

    def teardown(self) -> None:
        rejudging.CHUNK = self.chunk
        self.disk.db.close()
        shutil.rmtree(self.folder)

    # -- the site

    @initialize(
        first=st.lists(posts, min_size=len(SITE_IDS), max_size=len(SITE_IDS)),
        listed=listings,
        command=commands,
    )
    def site_opens(self, first: list[Post], listed: list[str], command: Command) -> None:
        self.world.posts = dict(zip(SITE_IDS, first, strict=True))
        self.open(command)
        self.list_page(listed=listed, recalls=True, starts=3, fuse=None)

    @rule(site_id=ids, post=posts)
    def site_changes(self, site_id: str, post: Post) -> None:
        self.world.posts[site_id] = post
        met = {c for c, states in self.model.crawls.items() if site_id in states}
        self.undisturbed -= met

    # -- a run

    @rule(
        command=commands,
        stopped=st.sampled_from([False, False, True]),
        regrets=st.booleans(),
        budget=st.sampled_from([0, 100, 10**9]),
        at_end=fuses(3),
        at_begin=fuses(12),
    )
    def end_and_run_another(
        self,
        command: Command,
        stopped: bool,
        regrets: bool,
        budget: int,
        at_end: int | None,
        at_begin: int | None,
    ) -> None:
        """A run is stopped, or goes on to its end; then a crawl is run, perhaps the same.

        ``regrets``: killed while it opens, it is run again as it was run before.
        """
        if not stopped:
            self.go_on_to_the_end()
        self._light(at_end)
        try:
            self.run.end(budget)
        except Killed:
            self._after_a_kill()
        self.disk.fuse = None
        query = command[0]
        self.fallback = self.known_commands.get(query) if regrets else None
        self.open(command, at_begin)

    def open(self, command: Command, fuse: int | None = None) -> None:
        """Run a crawl, new or known; killed while it opens, it is run again."""
        query, policy, want = self.command = command
        filters = judge(grown=self.grown)
        rules = Rules(filters, filters.policy(policy))
        before = dict(self.disk.rows("SELECT query, id FROM crawls")).get(query)
        told = self.disk.rows("SELECT policy, want FROM crawls WHERE id = ?", before)
        changed = [tuple(row) for row in told] != [_row(rules, want)]
        failed = self._failed(before)
        stored = {s for (s,) in self.disk.rows("SELECT sha256 FROM images WHERE stored = 1")}
        self._light(fuse)
        try:
            run = Run(self.disk, self.world, query, rules, want)
        except Killed:
            self.undisturbed.discard(before or "")
            self._after_a_kill()
            return
        self.disk.fuse = None
        self.run = run
        self.known_commands[query], self.fallback = self.command, None
        self.troubled.clear()
        if before is None:
            self.model.crawls[run.id] = {}
            self.undisturbed.add(run.id)
        else:
            rejudged = told[0][0] != _row(rules, want)[0]
            self._reopened(run, failed, rejudged=rejudged)
            if rejudged:
                self.model.rejudge(run.id, rules, stored)
                self._verdicts_are_pure(run)
            if changed:
                self.undisturbed.discard(run.id)
            if rejudged and self.grown:
                self.undisturbed.clear()  # what was purged may be gone from other crawls

    def _failed(self, crawl: str | None) -> dict[str, str]:
        return dict(
            self.disk.rows(
                "SELECT c.site_id, w.reason FROM works w JOIN candidates c"
                " ON c.id = w.candidate_id WHERE w.crawl_id = ? AND w.state = 'failed'",
                crawl,
            )
        )

    def _reopened(self, run: Run, failed: dict[str, str], *, rejudged: bool) -> None:
        """Works whose trouble may have passed are pending again, or judged by their claims."""
        for site_id, reason in failed.items():
            now, why = astuple(ruling_of(self.disk, run.id, site_id))[:2]
            if why == "blocked_content":
                continue
            if reason in OUTAGE or (rejudged and reason == "too_many_pixels"):
                assert now != "failed", reason
            if now != "failed":
                assert reason in ("timeout", "truncated", "too_many_pixels", "md5_mismatch")
                self.model.crawls[run.id][site_id] = "pending"
                self.undisturbed.discard(run.id)

    def _verdicts_are_pure(self, run: Run) -> None:
        """After a judgement every verdict is that of the policy, however the work came to it."""
        for site_id, state in self.model.crawls[run.id].items():
            if state in (*TAKEN, "rejected") and not self.model.known[site_id].blocked:
                assert (self.model.judge(site_id, run.rules).state == "rejected") == (
                    state == "rejected"
                )

    @rule(really=st.sampled_from([False, False, False, True]))
    def content_safety_grows(self, really: bool) -> None:
        """Every crawl is judged again when it is run next, and not before."""
        self.grown = self.grown or really

    @rule(site_id=ids, post=posts, along=st.lists(ids, max_size=2), in_flight=st.booleans())
    def a_changed_post_is_listed(
        self, site_id: str, post: Post, along: list[str], in_flight: bool = False
    ) -> None:
        """``in_flight``: that of a work on its way, if there is one."""
        if in_flight and self.run.frontier.flying:
            site_id = self.run.frontier.flying[0].candidate.site_id
        self.site_changes(site_id=site_id, post=post)
        self.list_page(listed=[site_id, *along], recalls=along != [], starts=0, fuse=None)

    @rule(listed=listings, recalls=st.booleans(), starts=st.integers(0, 3), fuse=fuses(1))
    def list_page(self, listed: list[str], recalls: bool, starts: int, fuse: int | None) -> None:
        """``recalls``: what the page decides is recalled before its bytes arrive."""
        run = self.run
        met = self.model.crawls[run.id]
        if met.keys() & set(listed) or len(set(listed)) < len(listed):
            self.undisturbed.discard(run.id)
        for other, states in self.model.crawls.items():
            if other != run.id and states.keys() & set(listed):
                self.undisturbed.discard(other)
        self._light(fuse)
        try:
            run.page(listed, recalls=recalls)
        except Killed:
            self._after_a_kill()
            return
        self.disk.fuse = None
        candidates = [self.world.candidate(site_id) for site_id in listed]
        self.model.page(run.id, [(c, run.rules.of_claims(c)) for c in candidates])
        if starts:
            self.start(most=starts, fuse=None)

    @rule(most=st.integers(1, 4), fuse=fuses(8))
    def start(self, most: int, fuse: int | None) -> None:
        self._light(fuse)
        run = self.run
        while most and run is self.run and self._start():
            most -= 1
        self.disk.fuse = None

    def _start(self) -> bool:
        """Start a work if any may start, and the process lives."""
        run = self.run
        try:
            work = run.start()
        except Killed:
            self._after_a_kill()
            return False
        if work is not None and work.position not in run.flying:
            self._landed(run, work)
        return work is not None

    @rule(
        arrivals=st.lists(
            st.tuples(st.integers(0, 2), st.none() | st.none() | st.sampled_from(TROUBLE)),
            min_size=1,
            max_size=4,
        ),
        fuse=fuses(5),
    )
    def arrive(self, arrivals: list[tuple[int, FetchError | None]], fuse: int | None) -> None:
        """Bytes come in any order, or trouble instead of them; others are started in between."""
        run = self.run
        self._light(fuse)
        for which, trouble in arrivals:
            if not run.frontier.flying and not self._start():
                break
            if not run.frontier.flying or run is not self.run:
                break
            work = run.frontier.flying[which % len(run.frontier.flying)]
            if trouble is not None:
                self.troubled.add(work.position)
            try:
                run.arrive(work, trouble)
            except Killed:
                self._after_a_kill()
                return
            if work.position in run.flying:  # the next rung, or the work was read again
                self._recorded(run)
            else:
                self._landed(run, work)
        self.disk.fuse = None

    @rule()
    def go_on_to_the_end(self) -> None:
        """Everything arrives: then nothing that is wanted waits."""
        run = self.run
        for _ in range(200):
            while run.frontier.flying:
                self.arrive(arrivals=[(0, None)], fuse=None)
            before = run.frontier.pending
            self.start(most=4, fuse=None)
            if not run.frontier.flying and run.frontier.pending == before:
                break
        assert run.frontier.reached or run.frontier.idle
        _, pending = run.counts()
        assert run.frontier.reached or pending == 0
        if run.id in self.undisturbed and run.frontier.reached:
            self._first_in_order(run)

    def _first_in_order(self, run: Run) -> None:
        """What was accepted is the first of the crawl's order that could be."""
        states = list(self.model.crawls[run.id].values())
        assert run.frontier.want is not None
        assert states.count("accepted") <= run.frontier.want
        last = max((n for n, state in enumerate(states) if state == "accepted"), default=-1)
        assert not set(states[: last + 1]) & set(OPEN)

    # -- the machine

    def _light(self, fuse: int | None) -> None:
        if fuse is not None:
            self.disk.light(fuse)

    def _after_a_kill(self) -> None:
        """The same command is given again, or another where it is regretted."""
        committed = self.disk.committed
        self.disk.kill()
        self.world.read_again.clear()
        self.disk.open()
        kept = without_tidying(self.disk.dump())
        assert kept == without_tidying(committed), "a commit was lost or half done"
        self.model.read(self.disk)
        self.undisturbed &= self.model.crawls.keys()
        self.prompt.forget()
        self.slow.forget()
        self.open(self.fallback or self.command)

    @rule(many=st.integers(1, 6), acknowledges=st.booleans())
    def follow(self, many: int, acknowledges: bool) -> None:
        """A consumer reads on, and now and then says how far it has come."""
        self.slow.hear(stream.read(self.disk.db, self.slow.seen, many))
        if acknowledges:
            seen = self.slow.seen
            new = range(self.slow.acknowledged[0] + 1, seen + 1)
            self.disk.write(lambda db: consumers.settle(db, "slow", new))
            self.slow.acknowledged = (seen, self.slow.held)
        assert stream.acked(self.disk.db, "slow") == self.slow.acknowledged[0]

    # -- what a step has done to the model

    def _recorded(self, run: Run) -> None:
        """The site was asked for a post again: what it said counts at once."""
        for claims in self.world.read_again:
            self.model.record(claims, run.rules.of_claims(claims))
            self.undisturbed.clear()
        self.world.read_again.clear()

    def _landed(self, run: Run, work: Work) -> None:
        site_id = work.candidate.site_id
        read_again = bool(self.world.read_again)
        self._recorded(run)
        known = self.model.known[site_id]
        if self.model.crawls[run.id][site_id] not in OPEN:
            return None
        now = ruling_of(self.disk, run.id, site_id)
        note(f"{site_id} is {now.state}:{now.reason}")
        by_claims = run.rules.of_claims(known.claims)
        by_claims_alone = read_again or by_claims.state == now.state == "rejected"
        if by_claims.state == "unavailable" or (by_claims.state != "pending" and by_claims_alone):
            return self.model.settled(run.id, site_id, by_claims.state)
        if now.state == "failed":
            assert work.position in self.troubled or now.reason in ("md5_mismatch", "http_404")
            return self.model.settled(run.id, site_id, "failed")
        if now.state in OPEN:
            assert work.position not in run.flying  # a free work that was no duplicate after all
            return None
        ((known.image, rung, outcome),) = self.disk.rows(
            "SELECT image, rung, outcome FROM candidates WHERE site_id = ?", site_id
        )
        known.rung, known.fetched = rung or 0, outcome == "fetched"
        self._could_be(site_id)
        return self.model.settled(run.id, site_id, self.model.judge(site_id, run.rules).state)

    def _could_be(self, site_id: str) -> None:
        """No work is taken for a picture that its source says it is not."""
        known = self.model.known[site_id]
        assert known.image is not None
        if known.rung == 0 and known.claims.md5 is not None:
            picture = BY_SHA256[known.image]
            assert known.claims.md5 == picture.md5 or known.claims.pixel_hash == picture.pixels

    # -- what always holds

    @invariant()
    def the_catalog_is_sound(self) -> None:
        Catalog.steps += 1
        self.prompt.hear(stream.read(self.disk.db, self.prompt.seen, 10_000))
        promises.states_are_those_of_the_model(self.disk, self.model)
        promises.files_and_rows_agree(self.disk, self.model)
        promises.a_picture_is_accepted_once_and_the_log_says_so(self.disk, self.prompt)
        promises.of_what_is_blocked_nothing_is_left(self.disk, self.model)
        promises.the_frontier_counts_what_the_catalog_holds(self.run)
        if self.run.id in self.undisturbed:
            promises.no_more_is_fetched_than_is_wanted(self.run)
        assert len(list(self.disk.store.tmp.iterdir())) <= len(self.run.flying)


def _row(rules: Rules, want: int | None) -> tuple[str, int | None]:
    """The policy and the target of a crawl, as the catalog keeps them."""
    return dumps(rules.policy.to_json()), want
