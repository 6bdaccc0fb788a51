"""The progress of a version: what is done, left and failed, how long it takes, and what it waits for."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from service.store.jobs import Run
from service.store.rules import Version
from service.store.shops import Freeze, Shop
from service.web.pages.publishing.effects import Progress, measure
from tests.support.shop import ORG

NOW_MS = 1_800_000_100_000
SHOP = Shop(ORG, "Một", "omni", "https://apis.haravan.com/com", "token")
VERSION = Version(
    number=2, content="x", author="lan", note="", at_ms=1, parent=1, preview={"touched": 100, "seconds": 50}
)
FROZEN = Freeze(1, 2, NOW_MS - 1, NOW_MS + 1, "lan")


def run(**fields: Any) -> Run:
    """A run that began 100 s ago."""
    given = {"id": "P1", "kind": "publish", "by": "lan", "reason": "", "started_ms": NOW_MS - 100_000}
    return Run(**{**given, "total": 0, "remaining": 0, **fields})


def measured(*runs: Run, shop: Shop = SHOP, is_live: bool = True) -> Progress:
    return measure(runs, VERSION, shop, now_ms=NOW_MS, is_live=is_live)


def test_the_runs_of_a_version_are_one_progress() -> None:
    late = run(id="P2", total=5, remaining=5)

    progress = measured(late, run(total=95, remaining=15, done=78, failed=2, added=80, removed=3))

    assert (progress.total, progress.done, progress.left, progress.failed) == (100, 78, 20, 2)
    assert (progress.added, progress.removed, progress.percent) == (80, 3, 80)


def test_the_time_that_is_left_follows_from_the_speed_so_far() -> None:
    assert measured(run(total=100, remaining=50, done=50)).left_s == 100


def test_before_the_speed_is_known_the_preview_tells_the_time() -> None:
    assert measured(run(total=100, remaining=98, done=2)).left_s == 49


@pytest.mark.parametrize(
    ("runs", "shop", "state"),
    [
        pytest.param((), SHOP, "unknown", id="no run"),
        pytest.param((run(pending=True),), SHOP, "preparing", id="a worker looks for the customers"),
        pytest.param((run(total=9, remaining=1),), SHOP, "running", id="customers are left"),
        pytest.param((run(total=9, remaining=0, done=9),), SHOP, "done", id="all are done"),
        pytest.param((run(ended="superseded"),), SHOP, "superseded", id="a later version went on"),
        pytest.param(
            (run(id="P2", total=9, done=9), run(ended="superseded")), SHOP, "done", id="the end of a freeze"
        ),
        pytest.param((run(pending=True),), replace(SHOP, freeze=FROZEN), "frozen", id="frozen"),
        pytest.param((run(total=9, remaining=1),), replace(SHOP, paused="x"), "paused", id="paused"),
        pytest.param((run(total=9, remaining=1),), replace(SHOP, shadow=True), "shadow", id="shadow mode"),
    ],
)
def test_the_state_says_what_it_waits_for(runs: tuple[Run, ...], shop: Shop, state: str) -> None:
    assert measured(*runs, shop=shop).state == state


def test_a_version_that_is_not_live_any_more_does_not_wait_for_the_freeze() -> None:
    progress = measured(run(total=9, remaining=1), shop=replace(SHOP, freeze=FROZEN), is_live=False)

    assert progress.state == "running"


def test_only_what_goes_on_is_asked_for_again() -> None:
    assert measured(run(total=9, remaining=1)).is_active
    assert not measured(run(total=9, done=9)).is_active
    assert not measured().is_active
