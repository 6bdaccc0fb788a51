"""Settlements record manual changes of tags, and never confuse them with our own writes."""

from __future__ import annotations

import pytest

from service.domain.customers.customer import CustomerId
from service.domain.customers.drift import changed_since
from service.locales import translator_for
from service.operations.customers.explain import explain_for_shop
from service.store.client import RedisClient
from service.store.history import drift
from tests.workers.stage import ORG, TIERS, VIP, Stage, staged


async def manual_changes(stage: Stage, customer: int) -> set[str]:
    """The last manual change of each tag: `+VIP`, `-VIP`."""
    changes = await drift.manual_changes_of_customer(stage.redis, ORG, CustomerId(customer))
    return {f"{'+' if change.added else '-'}{change.tag}" for change in changes.values()}


async def announce_and_drain(stage: Stage, customer: int) -> None:
    stage.clock.advance(5)
    await stage.announce(customer)
    await stage.turn(3)


@pytest.fixture
async def vip(stage: Stage) -> int:
    """A customer with our tag VIP."""
    customer: int = stage.haravan.create(total_spent=12_000_000, tags="Sỉ")
    await announce_and_drain(stage, customer)
    return customer


async def test_our_own_writes_are_no_drift(stage: Stage, vip: int) -> None:
    stage.clock.advance(5)
    stage.haravan.edit(vip, total_spent=1)
    await announce_and_drain(stage, vip)

    assert await stage.ledger(vip) == ["+VIP", "-VIP"]
    assert await manual_changes(stage, vip) == set()


async def test_a_manual_removal_of_our_tag_is_drift_even_though_the_tag_comes_back(
    stage: Stage, vip: int
) -> None:
    stage.clock.advance(700)
    stage.haravan.untag_by_hand(vip, "VIP")
    await announce_and_drain(stage, vip)

    assert stage.haravan.tags(vip) == {"Sỉ", "VIP"}
    assert await manual_changes(stage, vip) == {"-VIP"}


async def test_manual_changes_of_other_tags_are_drift(stage: Stage, vip: int) -> None:
    stage.clock.advance(5)
    stage.haravan.untag_by_hand(vip, "Sỉ")
    stage.haravan.tag_by_hand(vip, "Báo chí")
    await announce_and_drain(stage, vip)

    assert await manual_changes(stage, vip) == {"-Sỉ", "+Báo chí"}


async def test_a_manual_tag_that_a_tier_removes_at_once_is_drift(redis: RedisClient) -> None:
    async with staged(redis, rules=TIERS) as stage:
        customer = stage.haravan.create(total_spent=60_000_000)
        await announce_and_drain(stage, customer)
        stage.clock.advance(700)

        stage.haravan.tag_by_hand(customer, "Silver")
        await announce_and_drain(stage, customer)

        assert stage.haravan.tags(customer) == {"Gold"}
        assert await manual_changes(stage, customer) == {"+Silver"}


async def test_our_removal_is_no_drift_even_if_its_settlement_is_refused(stage: Stage, vip: int) -> None:
    stage.clock.advance(5)
    stage.haravan.edit(vip, total_spent=1)

    async def meanwhile() -> None:
        stage.haravan.edit(vip, total_spent=2)
        await stage.announce(vip)

    stage.haravan.on_call("DELETE tags", meanwhile)
    await announce_and_drain(stage, vip)
    await announce_and_drain(stage, vip)

    assert await stage.ledger(vip) == ["+VIP", "-VIP"]
    assert await manual_changes(stage, vip) == set()


async def test_a_tag_is_changed_since_any_moment_before_its_last_manual_change(
    stage: Stage, vip: int
) -> None:
    stage.clock.advance(5)
    stage.haravan.tag_by_hand(vip, "Báo chí")
    await announce_and_drain(stage, vip)

    (changes,) = (await drift.manual_changes_of(stage.redis, ORG, [CustomerId(vip), CustomerId(8)])).values()
    at_ms = changes["báo chí"].at_ms
    assert changed_since(changes, "BÁO CHÍ", after_ms=at_ms - 1)
    assert not changed_since(changes, "BÁO CHÍ", after_ms=at_ms)
    assert not changed_since(changes, "VIP", after_ms=0)


async def test_the_last_fifty_manually_changed_tags_of_a_customer_are_stored(stage: Stage, vip: int) -> None:
    for first in range(0, 60, 20):
        for number in range(first, first + 20):
            stage.haravan.tag_by_hand(vip, f"Nhãn {number}")
        await announce_and_drain(stage, vip)

    changes = await manual_changes(stage, vip)
    assert len(changes) == 50
    assert {f"+Nhãn {number}" for number in range(20, 60)} <= changes


async def test_ledger_and_drift_of_a_deleted_customer_are_deleted(stage: Stage, vip: int) -> None:
    stage.clock.advance(5)
    stage.haravan.tag_by_hand(vip, "Báo chí")
    await announce_and_drain(stage, vip)
    assert await stage.redis.xlen(stage.key("ledger")) == 1

    stage.haravan.delete(vip)
    await stage.mark(vip)
    await stage.turn(3, rest_s=601)

    assert not await stage.redis.hexists(stage.key("drift_by_customer"), str(vip))
    assert await stage.ledger(vip) == []
    assert await stage.redis.xlen(stage.key("ledger")) == 0


async def test_after_400_days_ledger_and_drift_are_deleted_and_the_ownership_stays(
    stage: Stage, vip: int
) -> None:
    stage.clock.advance(5)
    stage.haravan.tag_by_hand(vip, "Báo chí")
    await announce_and_drain(stage, vip)

    stage.clock.advance(401 * 86_400)
    await stage.housekeeping.run()

    assert await stage.ledger(vip) == []
    assert await manual_changes(stage, vip) == set()
    assert set(await stage.owned(vip)) == {"vip"}


async def test_the_explanation_has_our_writes_and_the_manual_changes_in_one_log(
    stage: Stage, vip: int
) -> None:
    stage.clock.advance(700)
    stage.haravan.untag_by_hand(vip, "VIP")
    stage.haravan.edit(vip, total_spent=1)
    await announce_and_drain(stage, vip)

    told = await explain_for_shop(
        stage.context,
        await stage.shops.get_or_raise(ORG),
        CustomerId(vip),
    )

    lines = told.to_lines(words=translator_for("vi"), tag="vip")
    log = lines[lines.index("Lịch sử nhãn") + 1 :]
    assert ["do người khác thay đổi (nhân viên hoặc ứng dụng khác)" in line for line in log] == [True, False]
    assert [line.split()[2] for line in log] == ["−VIP", "+VIP"]
    (touch,) = told.to_dict(words=translator_for("vi"))["changed_by_others"]
    assert (touch["tag"], touch["added"]) == ("VIP", False)


async def test_the_explanation_names_a_deleted_rule_by_its_last_name(stage: Stage) -> None:
    await stage.publish(VIP.replace("id: vip", "id: vip\n    name: Khách quý"))
    customer = stage.haravan.create(total_spent=12_000_000)
    await announce_and_drain(stage, customer)
    await stage.publish("version: 1")
    await announce_and_drain(stage, customer)

    told = await explain_for_shop(
        stage.context,
        await stage.shops.get_or_raise(ORG),
        CustomerId(customer),
    )

    lines = told.to_lines(words=translator_for("vi"))
    assert any(line.startswith("  VIP: do quy tắc “Khách quý” gắn từ") for line in lines)
    assert any("+VIP · quy tắc “Khách quý” v2" in line for line in lines)
