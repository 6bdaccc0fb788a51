"""What people do to tags by hand is noticed, and never taken for our own doing or the other way about."""

from __future__ import annotations

import pytest
from arq.connections import ArqRedis

from service.domain.customers.customer import CustomerId
from service.domain.customers.drift import changed_since
from service.locales import translator_for
from service.operations.explain import explain_for_shop
from service.store.history import drift
from tests.workers.stage import ORG, VIP, Stage, staged

TIERS = """
version: 1
tiers:
  - id: hang
    levels:
      - {tag: Gold, when: {field: total_spent, op: at_least, value: 50_000_000}}
      - {tag: Silver, when: {field: total_spent, op: at_least, value: 10_000_000}}
"""


async def noticed(stage: Stage, customer: int) -> set[str]:
    """The last change by hand of each tag: `+VIP`, `-VIP`."""
    found = await drift.manual_changes_of_customer(stage.redis, ORG, CustomerId(customer))
    return {f"{'+' if one.added else '-'}{one.tag}" for one in found.values()}


async def looked_at(stage: Stage, customer: int) -> None:
    stage.clock.advance(5)
    await stage.announce(customer)
    await stage.turn(3)


@pytest.fixture
async def vip(stage: Stage) -> int:
    """A customer to whom we gave VIP."""
    customer: int = stage.haravan.create(total_spent=12_000_000, tags="Sỉ")
    await looked_at(stage, customer)
    return customer


async def test_what_we_write_is_not_drift(stage: Stage, vip: int) -> None:
    stage.clock.advance(5)
    stage.haravan.edit(vip, total_spent=1)
    await looked_at(stage, vip)

    assert await stage.ledger(vip) == ["+VIP", "-VIP"]
    assert await noticed(stage, vip) == set()


async def test_a_tag_of_ours_that_a_person_takes_off_is_noticed_also_when_it_comes_back(
    stage: Stage, vip: int
) -> None:
    stage.clock.advance(700)
    stage.haravan.untag_by_hand(vip, "VIP")
    await looked_at(stage, vip)

    assert stage.haravan.tags(vip) == {"Sỉ", "VIP"}
    assert await noticed(stage, vip) == {"-VIP"}


async def test_tags_of_others_that_come_and_go_are_noticed(stage: Stage, vip: int) -> None:
    stage.clock.advance(5)
    stage.haravan.untag_by_hand(vip, "Sỉ")
    stage.haravan.tag_by_hand(vip, "Báo chí")
    await looked_at(stage, vip)

    assert await noticed(stage, vip) == {"-Sỉ", "+Báo chí"}


async def test_a_tag_put_on_by_hand_that_a_tier_takes_off_at_once_was_noticed(redis: ArqRedis) -> None:
    async with staged(redis, rules=TIERS) as stage:
        customer = stage.haravan.create(total_spent=60_000_000)
        await looked_at(stage, customer)
        stage.clock.advance(700)

        stage.haravan.tag_by_hand(customer, "Silver")
        await looked_at(stage, customer)

        assert stage.haravan.tags(customer) == {"Gold"}
        assert await noticed(stage, customer) == {"+Silver"}


async def test_a_removal_of_ours_that_was_settled_too_late_is_not_drift(stage: Stage, vip: int) -> None:
    stage.clock.advance(5)
    stage.haravan.edit(vip, total_spent=1)

    async def meanwhile() -> None:
        stage.haravan.edit(vip, total_spent=2)
        await stage.announce(vip)

    stage.haravan.on_call("DELETE tags", meanwhile)
    await looked_at(stage, vip)
    await looked_at(stage, vip)

    assert await stage.ledger(vip) == ["+VIP", "-VIP"]
    assert await noticed(stage, vip) == set()


async def test_a_tag_was_touched_after_one_moment_and_not_after_a_later_one(stage: Stage, vip: int) -> None:
    stage.clock.advance(5)
    stage.haravan.tag_by_hand(vip, "Báo chí")
    await looked_at(stage, vip)

    (found,) = (await drift.manual_changes_of(stage.redis, ORG, [CustomerId(vip), CustomerId(8)])).values()
    at_ms = found["báo chí"].at_ms
    assert changed_since(found, "BÁO CHÍ", after_ms=at_ms - 1)
    assert not changed_since(found, "BÁO CHÍ", after_ms=at_ms)
    assert not changed_since(found, "VIP", after_ms=0)


async def test_of_a_customer_the_fifty_last_tags_are_known(stage: Stage, vip: int) -> None:
    for first in range(0, 60, 20):
        for number in range(first, first + 20):
            stage.haravan.tag_by_hand(vip, f"Nhãn {number}")
        await looked_at(stage, vip)

    found = await noticed(stage, vip)
    assert len(found) == 50
    assert {f"+Nhãn {number}" for number in range(20, 60)} <= found


async def test_what_a_deleted_customer_was_given_and_had_changed_is_forgotten(stage: Stage, vip: int) -> None:
    stage.clock.advance(5)
    stage.haravan.tag_by_hand(vip, "Báo chí")
    await looked_at(stage, vip)
    assert await stage.redis.xlen(stage.key("ledger")) == 1

    stage.haravan.delete(vip)
    await stage.mark(vip)
    await stage.turn(3, rest_s=601)

    assert not await stage.redis.hexists(stage.key("drift_by_customer"), str(vip))
    assert await stage.ledger(vip) == []
    assert await stage.redis.xlen(stage.key("ledger")) == 0


async def test_after_400_days_the_ledger_and_what_people_changed_are_forgotten(
    stage: Stage, vip: int
) -> None:
    stage.clock.advance(5)
    stage.haravan.tag_by_hand(vip, "Báo chí")
    await looked_at(stage, vip)

    stage.clock.advance(401 * 86_400)
    await stage.housekeeping.run()

    assert await stage.ledger(vip) == []
    assert await noticed(stage, vip) == set()
    assert set(await stage.owned(vip)) == {"vip"}


async def test_the_explanation_tells_what_we_wrote_and_what_people_changed_in_one_log(
    stage: Stage, vip: int
) -> None:
    stage.clock.advance(700)
    stage.haravan.untag_by_hand(vip, "VIP")
    stage.haravan.edit(vip, total_spent=1)
    await looked_at(stage, vip)

    told = await explain_for_shop(
        stage.redis,
        await stage.shops.get_or_raise(ORG),
        CustomerId(vip),
        versions=stage.versions,
        now_ms=stage.now_ms,
    )

    lines = told.lines(words=translator_for("vi"), tag="vip")
    log = lines[lines.index("Nhật ký nhãn") + 1 :]
    assert ["có người đổi bằng tay (không phải hệ thống)" in line for line in log] == [True, False]
    assert [line.split()[2] for line in log] == ["−VIP", "+VIP"]
    (touch,) = told.data(words=translator_for("vi"))["changed_by_others"]
    assert (touch["tag"], touch["added"]) == ("VIP", False)


async def test_a_rule_that_is_gone_is_named_as_it_last_was(stage: Stage) -> None:
    await stage.publish(VIP.replace("id: vip", "id: vip\n    name: Khách quý"))
    customer = stage.haravan.create(total_spent=12_000_000)
    await looked_at(stage, customer)
    await stage.publish("version: 1")
    await looked_at(stage, customer)

    told = await explain_for_shop(
        stage.redis,
        await stage.shops.get_or_raise(ORG),
        CustomerId(customer),
        versions=stage.versions,
        now_ms=stage.now_ms,
    )

    lines = told.lines(words=translator_for("vi"))
    assert any(line.startswith("  VIP: do quy tắc “Khách quý” gắn từ") for line in lines)
    assert any("+VIP · quy tắc “Khách quý” v2" in line for line in lines)
