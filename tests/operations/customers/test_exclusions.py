"""An excluded customer keeps its tags of a rule as they are, until it is included again."""

from __future__ import annotations

import pytest

from service.domain.customers.customer import CustomerId
from service.errors import NotFound
from service.operations import exclusions
from service.store.history import audit_log
from service.store.shops.model import Shop
from tests.support.actors import LAN
from tests.support.publishing import evaluate_customers
from tests.workers.stage import ORG, Stage


async def excluded(stage: Stage, shop: Shop, customer: int, *, undo: bool = False) -> exclusions.Exclusion:
    planned = await exclusions.plan_exclusion(stage.context, shop, CustomerId(customer), "vip", undo=undo)
    await exclusions.apply_exclusion(stage.context, shop, planned, by=LAN)
    return planned


async def test_an_excluded_customer_is_left_alone_until_it_is_included_again(
    stage: Stage, shop: Shop
) -> None:
    (customer,) = await evaluate_customers(stage, 1)

    assert (await excluded(stage, shop, customer)).changed
    stage.haravan.edit(customer, total_spent=20_000_000)
    await stage.turn(2)
    assert stage.haravan.tags(customer) == set()

    planned = await excluded(stage, shop, customer, undo=True)
    await stage.turn(2)
    assert (planned.add, planned.remove) == (("VIP",), ())
    assert stage.haravan.tags(customer) == {"VIP"}
    assert [row.entry.action for row in await audit_log.list_entries(stage.redis, ORG)][:2] == [
        "include",
        "exclude",
    ]
    with pytest.raises(NotFound, match="is not excluded from a rule or tier 'vip'"):
        await excluded(stage, shop, customer, undo=True)


async def test_the_changes_of_an_exclusion_are_unknown_for_a_customer_without_a_snapshot(
    stage: Stage, shop: Shop
) -> None:
    planned = await excluded(stage, shop, 404)
    again = await excluded(stage, shop, 404)

    assert (planned.add, planned.remove, planned.changed, again.changed) == (None, None, True, False)
