"""What holds after every step, whatever the steps were."""

from __future__ import annotations

import json

from tests.properties.driver import Disk, Run
from tests.properties.follower import Follower
from tests.properties.model import TAKEN, Model, works_in_order


def states_are_those_of_the_model(disk: Disk, model: Model) -> None:
    """Each work of a crawl is in one state, in the order it was met, and counted once."""
    found: dict[str, dict[str, str]] = {crawl: {} for crawl in model.crawls}
    for crawl, site_id, state in works_in_order(disk):
        assert site_id not in found[crawl]
        found[crawl][site_id] = state
    assert found == model.crawls
    assert [list(states) for states in found.values()] == [list(s) for s in model.crawls.values()]
    told = disk.rows("SELECT crawl_id, sum(works) FROM reasons GROUP BY crawl_id")
    assert dict(told) == {crawl: len(states) for crawl, states in found.items() if states}


def files_and_rows_agree(disk: Disk, model: Model) -> None:
    """The files on disk are those with a row; what some crawl takes is among them."""
    rows = disk.rows("SELECT sha256, stored, wanted FROM images")
    assert disk.files() == {sha256 for sha256, stored, _ in rows if stored}
    assert disk.rows("SELECT * FROM doomed") == []
    taken = {
        model.known[site_id].image
        for states in model.crawls.values()
        for site_id, state in states.items()
        if state in TAKEN
    }
    assert {sha256 for sha256, _, wanted in rows if wanted} == taken
    assert all(stored for _, stored, wanted in rows if wanted)


def a_picture_is_accepted_once_and_the_log_says_so(disk: Disk, follower: Follower) -> None:
    """Who follows the event log holds exactly what is accepted."""
    accepted = disk.rows("SELECT crawl_id, sha256 FROM accepted")
    assert len(set(accepted)) == len(accepted)
    assert follower.held == set(accepted)


def the_frontier_counts_what_the_catalog_holds(run: Run) -> None:
    """What a run counts as it goes is what the catalog would say if asked."""
    assert (run.frontier.accepted, run.frontier.pending) == run.counts()


def no_more_is_fetched_than_is_wanted(run: Run) -> None:
    """Not even if all that is in flight were accepted."""
    frontier = run.frontier
    if frontier.want is not None:
        filling = [work for work in frontier.flying if not frontier.is_free(work)]
        assert frontier.accepted + len(filling) <= frontier.want


def of_what_is_blocked_nothing_is_left(disk: Disk, model: Model) -> None:
    """Its id and the reason: no word, no address, no attempt, no tag that only it had."""
    blocked = [site_id for site_id, known in model.known.items() if known.blocked]
    tags = {name for (name,) in disk.rows("SELECT name FROM tags")}
    assert not tags & {"loli", *(f"tag_of_{site_id}" for site_id in blocked)}
    for site_id in blocked:
        ((candidate_id, evidence),) = disk.rows(
            "SELECT id, coalesce(page_url, tags, rating, pixel_hash, md5, image, metadata)"
            " FROM candidates WHERE site_id = ?",
            site_id,
        )
        assert evidence is None
        for table in ("rungs", "attempts", "candidate_tags"):
            left = f"SELECT * FROM {table} WHERE candidate_id = ?"
            assert disk.rows(left, candidate_id) == []
        told = "SELECT payload FROM events WHERE candidate_id = ? AND kind != 'retracted'"
        for (payload,) in disk.rows(told, candidate_id):
            assert json.loads(payload).keys() <= {"live"}
