"""``python -m tests.torture.kills``: SIGKILL at seeded instants; what is finished then is whole.

The whole process group of a crawl is killed again and again while one server keeps one ledger;
then the decoder alone, and the commands that write a folder. What they come to is compared with
what they come to undisturbed.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.scenarios.outcome import accepted_by_events, assert_sound, outcome
from tests.torture.crawl_kills import (
    IN_FLIGHT,
    KilledCrawl,
    Run,
    Table,
    beyond,
    print_histogram,
    runs,
    served,
    undisturbed,
)
from tests.torture.decoder_kills import kill_decoders
from tests.torture.folder_kills import kill_character, kill_export
from tests.torture.promises import Promises

FEW = 40
WORKS_A_KILL = 9
"""Plain works for every kill, so that there is something left for the last one."""


def kill_crawl(
    promises: Promises,
    home: Path,
    *,
    kills: int,
    seed: int,
    amid: int,
    works_a_kill: int = WORKS_A_KILL,
) -> None:
    """Kill a crawl; ``amid`` is how many kills must land while files are on their way."""
    more = kills * works_a_kill
    table, quiet = undisturbed(home / "undisturbed", more)
    home = home / "killed"
    home.mkdir()
    with served(home / "ledger.jsonl", more) as site:
        crawl = KilledCrawl(
            home,
            site,
            kills,
            seed,
            listing=max(2, kills // 25),
            starting=max(2, kills // 20),
            ending=max(2, kills // 20),
        )
        crawl.run()
        asked = site.ledger
    landed = runs(crawl.landed, asked, crawl.let_go)
    print_histogram(landed, len(asked))
    during = [run for run in landed if run.originals]
    listed = [run for run in landed if run.listings]
    fetched = len(landed[-1].kill.left.stored)
    print(f"  {fetched} pictures were kept from the runs that were killed; {crawl.missed} missed")

    promises.hold("kills that landed", str(kills), len(landed), len(landed) == kills)
    promises.hold(
        "of them while files were on their way", f">= {amid}", len(during), len(during) >= amid
    )
    promises.hold("of them while pages were listed", ">= 1", len(listed), len(listed) >= 1)
    promises.none("catalogs or files damaged by a kill", _trouble(landed))
    outlived = [who for run in landed for who in run.kill.survivors]
    promises.none("processes that outlived a kill", outlived)
    _compare(promises, home, table)
    repeated = beyond(asked.originals(), quiet.originals())
    most = len(during) * IN_FLIGHT
    total = repeated.total()
    promises.hold("files asked for again", f"<= {most}", total, total <= most)
    promises.none(
        "settled works asked for again", [path for run in landed for path in run.needless]
    )
    known = {entry.path for entry in quiet.originals()}
    promises.none("files nobody needs", [e.path for e in asked.originals() if e.path not in known])
    pages = beyond(asked.requests("/posts.json"), quiet.requests("/posts.json")).total()
    promises.hold("pages listed again", f"<= {len(listed)}", pages, pages <= len(listed))


def _compare(promises: Promises, home: Path, table: Table) -> None:
    found = outcome(home / "set").table
    lost = [str(row) for row in table if row not in set(found)]
    promises.none("(site_id, state, reason, sha256) lost or changed", lost)
    extra = [str(row) for row in found if row not in set(table)]
    promises.none("(site_id, state, reason, sha256) too many", extra)
    with promises.asserted("files, rows and events agree; no orphan, no double"):
        assert_sound(home / "set")
        accepted = sum(row[1] == "accepted" for row in table)
        assert len(accepted_by_events(home / "set")) == accepted


def _trouble(landed: Sequence[Run]) -> list[str]:
    return [f"kill {n}: {what}" for n, run in enumerate(landed) for what in run.kill.left.trouble]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run this part; 1 where a promise was broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.torture.kills", description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--folder-kills", type=int, default=20, help="of each command")
    parser.add_argument("--decoder-kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--result", type=Path, help="keep the promises as JSON")
    given = parser.parse_args(arguments)
    promises = Promises("kills")
    with tempfile.TemporaryDirectory(prefix="trawl-kills-") as folder:
        home = Path(folder)
        # Of few kills a larger share lands where a run starts, lists or ends.
        amid = given.kills * 3 // 4 if given.kills >= FEW else given.kills // 2
        kill_crawl(promises, home, kills=given.kills, seed=given.seed, amid=amid)
        if given.folder_kills:
            kill_export(promises, home / "export", kills=given.folder_kills, seed=given.seed)
            kill_character(promises, home / "character", kills=given.folder_kills, seed=given.seed)
        if given.decoder_kills:
            kill_decoders(promises, home / "decoder", kills=given.decoder_kills, seed=given.seed)
    return promises.end(given.result)


if __name__ == "__main__":
    sys.exit(main())
