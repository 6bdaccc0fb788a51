"""The events of the demo."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from random import Random

from deploy.demonstration.expected import ExpectedTags
from deploy.demonstration.scenario import Scenario
from deploy.sandbox import Clock, Sandbox, ShopHandle
from service.domain.documents.parser import parse_rules

RULES = parse_rules((Path(__file__).parents[3] / "deploy/rules/demo.yaml").read_text(encoding="utf-8"))
NOW = datetime(2026, 11, 21, 3, 0, tzinfo=UTC)


def shop(seed: int) -> ShopHandle:
    haravan = Sandbox(clock=Clock.frozen(NOW)).add_shop()
    haravan.populate(100, seed=seed)
    return haravan


def played(seed: int, *, with_manual_tags: bool) -> list[tuple[str, str]]:
    """Who and what, in English."""
    haravan = shop(seed)
    scenario = Scenario(haravan, ExpectedTags(RULES), Random(seed))
    scenario.with_manual_tags = with_manual_tags
    events: list[tuple[str, str]] = []
    for event in islice(scenario, 30):
        event.act()
        events.append((str(event.who), str(event.what)))
    return events


def test_the_same_seed_makes_the_same_day() -> None:
    assert played(3, with_manual_tags=True) == played(3, with_manual_tags=True)
    assert played(3, with_manual_tags=True) != played(4, with_manual_tags=True)


def test_staff_change_tags_only_after_the_first_evaluation() -> None:
    assert not [what for _, what in played(3, with_manual_tags=False) if "staff" in what]
    assert [what for _, what in played(3, with_manual_tags=True) if "staff" in what]
