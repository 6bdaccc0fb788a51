"""Publishing enqueues exactly the customers that change, and a roll-back undoes it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from service.domain.documents.parser import parse_rules
from service.errors import NotFound, Refused
from service.publishing.draft import create_draft, create_rollback_draft
from service.publishing.publish import publish_draft
from service.store.history import audit_log
from service.store.jobs import runs
from service.store.shops.model import Shop
from tests.support.actors import LAN
from tests.support.publishing import RULE, evaluate_customers, publish, roll_back_to, rules, run_of, vip
from tests.workers.stage import ORG, Stage


async def test_publishing_enqueues_only_customers_whose_tags_change(stage: Stage, shop: Shop) -> None:
    rich, middling, poor = await evaluate_customers(stage, 20_000_000, 6_000_000, 1)

    done = await publish(stage, shop, rules(vip(5_000_000)))

    assert (run_of(done).total, done.version.number) == (1, 2)
    assert await stage.is_marked(middling)
    assert not await stage.is_marked(rich)
    await stage.turn(2)
    assert stage.haravan.tags(middling) == {"VIP"}
    assert stage.haravan.tags(poor) == set()
    ended = await runs.get(stage.redis, ORG, run_of(done).id)
    assert (ended.done, ended.remaining, ended.added) == (1, 0, 1)
    assert done.version.preview is not None
    assert (done.version.preview["touched"], done.version.preview["added"]) == (1, 1)


TIER = """
version: 1
tiers:
  - id: hang
    downgrade: {after: 30 days}
    levels: [{tag: Gold, when: {field: total_spent, op: at_least, value: %d}}]
"""


async def test_the_downgrade_period_starts_at_the_publish_that_makes_a_level_too_high(
    stage: Stage, shop: Shop
) -> None:
    await publish(stage, shop, TIER % 5)
    (customer,) = await evaluate_customers(stage, 9)

    await publish(stage, shop, TIER % 10)
    await stage.turn(2)
    assert stage.haravan.tags(customer) == {"Gold"}
    stage.clock.advance(31 * 86_400)
    await stage.sweep.check_shops()
    await stage.turn(2)

    assert stage.haravan.tags(customer) == set()


async def test_a_level_that_a_person_gave_has_its_downgrade_period_from_the_publish_on(
    stage: Stage, shop: Shop
) -> None:
    await publish(stage, shop, rules())
    (customer,) = await evaluate_customers(stage, 9, tags="Gold")

    await publish(stage, shop, TIER % 5)
    await stage.turn(2)
    await publish(stage, shop, TIER % 10)
    await stage.turn(2)

    assert stage.haravan.tags(customer) == {"Gold"}


async def test_the_responsible_rule_of_a_tag_changes_with_the_publish(stage: Stage, shop: Shop) -> None:
    await publish(stage, shop, rules(vip(5)))
    (customer,) = await evaluate_customers(stage, 9)

    await publish(stage, shop, rules(RULE % ("other", "VIP", "when_gone: remove, ", 7)))
    await stage.turn(2)
    assert (await stage.owned(customer))["vip"].rule == "other"
    await publish(stage, shop, rules())
    await stage.turn(2)

    assert stage.haravan.tags(customer) == set()


async def test_a_publish_that_touches_more_than_one_in_twenty_needs_an_approval(
    stage: Stage, shop: Shop
) -> None:
    await evaluate_customers(stage, 6_000_000)

    with pytest.raises(Refused, match="touches 1 of 1 customers"):
        await publish(stage, shop, rules(vip(5_000_000)), approved=False)

    assert await stage.versions.live_number(ORG) == 1


async def test_publishing_an_outdated_draft_is_refused(stage: Stage, shop: Shop) -> None:
    draft = await create_draft(stage.context, shop, parse_rules(rules(vip(5))))
    await stage.publish(rules(vip(7)))

    with pytest.raises(Refused, match="published meanwhile"):
        await publish_draft(stage.context, shop, draft, by=LAN, note="")


async def test_a_deleted_rule_with_when_gone_remove_removes_its_tags(stage: Stage, shop: Shop) -> None:
    await publish(stage, shop, rules(vip(10_000_000, when_gone="remove")))
    (customer,) = await evaluate_customers(stage, 20_000_000)

    await publish(stage, shop, rules())
    await stage.turn(2)

    assert stage.haravan.tags(customer) == set()


async def test_a_roll_back_revokes_tags_that_the_undone_version_gave_for_ever(
    stage: Stage, shop: Shop
) -> None:
    rich, poor = await evaluate_customers(stage, 20_000_000, 1_000_000)
    await publish(stage, shop, rules(vip(500_000, keep="forever")))
    await stage.turn(2)
    assert stage.haravan.tags(poor) == {"VIP"}

    undone = await roll_back_to(stage, shop, 1)
    await stage.turn(3)

    assert stage.haravan.tags(poor) == set()
    assert stage.haravan.tags(rich) == {"VIP"}
    assert undone.version.content == (await stage.versions.get(ORG, 1)).content
    assert [row.entry.action for row in await audit_log.list_entries(stage.redis, ORG)] == [
        "rollback",
        "publish",
    ]


async def test_only_the_latest_version_is_undone_without_approval_and_only_for_a_day(
    stage: Stage, shop: Shop
) -> None:
    await evaluate_customers(stage, 6_000_000, 8_000_000)
    for threshold in (5_000_000, 7_000_000):
        await publish(stage, shop, rules(vip(threshold)))
        await stage.turn(2)

    async def needs_approval(to: int, later_ms: int = 0) -> bool:
        later = replace(stage.context, clock_ms=lambda: stage.now_ms + later_ms)
        draft = await create_rollback_draft(later, shop, to=to)
        return draft.report.guard.needs_approval

    assert not await needs_approval(2)
    assert await needs_approval(1)
    assert await needs_approval(2, later_ms=25 * 3_600_000)
    with pytest.raises(Refused, match="version 3 is live already"):
        await roll_back_to(stage, shop, 3)
    with pytest.raises(NotFound, match="no version 4"):
        await roll_back_to(stage, shop, 4)
