"""Everything stored of a customer is exported, and erased; what others have stays."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from service.domain.customers.customer import CustomerId
from service.operations import claims
from service.operations.customers.personal_data import erase_personal_data, export_personal_data
from service.store.client import RedisClient, keys
from service.store.client.scripts import load_script
from service.store.history import audit_log, ledger
from service.store.jobs import runs
from service.store.queue import Mark, Settlement, dirty
from service.store.queue.settlement import encode_settlements
from service.store.shops import save_first_look
from service.store.shops.model import Shop
from service.store.topology import load_rewrite_state
from tests.publishing.shop_walk import walk
from tests.support.actors import LAN
from tests.support.publishing import evaluate_customers, publish, rules, vip
from tests.support.store import all_keys
from tests.workers.stage import ORG, VIP, Stage
from tests.workers.stepping import Steps


async def stored_by(redis: RedisClient, customer: int) -> set[str]:
    """The keys of the shop that have something by this customer, besides that it was erased."""
    client: Any = redis
    found: set[str] = set()
    for key in await all_keys(redis, keys.shop(ORG, "*")):
        name, kind = key.decode().removeprefix(keys.shop(ORG)), await client.type(key)
        contents = {
            b"hash": client.hkeys,
            b"zset": lambda key: client.zrange(key, 0, -1),
            b"set": client.smembers,
        }.get(kind)
        members = await contents(key) if contents else []
        if name.endswith(f":{customer}") or str(customer).encode() in members:
            found.add(name)
    return found - {f"erased:{customer}"}


async def person(stage: Stage, *, total_spent: int = 12_000_000) -> CustomerId:
    customer = stage.haravan.create(
        total_spent=total_spent, first_name="An", last_name="Nguyễn", email="an@example.com"
    )
    await stage.announce(customer)
    await stage.turn(2)
    return CustomerId(customer)


async def test_an_export_has_all_that_is_stored(stage: Stage, shop: Shop) -> None:
    customer = await person(stage)
    other = await person(stage)
    stage.haravan.tag_by_hand(customer, "Khách sỉ")
    await stage.announce(customer)
    await stage.turn(2)

    data = await export_personal_data(stage.context, shop, customer, by=LAN)

    record = data["record"]
    assert (record["first_name"], record["last_name"], record["total_spent"]) == ("An", "Nguyễn", 12_000_000)
    assert "email" not in record  # no rule reads it
    assert data["tags_we_own"]["vip"]["rule"] == "vip"
    assert [(entry["action"], entry["tag"]) for entry in data["ledger"]] == [("+", "VIP")]
    assert [change["change"] for change in data["manual_changes"]] == ["+Khách sỉ"]
    assert {delivery["topic"] for delivery in data["deliveries"]} == {"customers/update"}
    assert str(other) not in str(data)


async def test_an_export_of_somebody_unknown_is_empty_and_is_recorded(stage: Stage, shop: Shop) -> None:
    data = await export_personal_data(stage.context, shop, CustomerId(404), by=LAN)

    empty = {name: value for name, value in data.items() if name not in ("org", "customer", "exported_at")}
    assert not any(empty.values())
    [row] = await audit_log.list_entries(stage.redis, ORG)
    assert (row.entry.by, row.entry.action, row.entry.summary) == ("Lan", "export_customer", "customer 404")


async def test_an_erasure_leaves_nothing_of_the_customer_and_all_of_the_others(
    stage: Stage, shop: Shop
) -> None:
    customer, other = await person(stage), await person(stage)
    before = await stored_by(stage.redis, other)
    assert len(await stored_by(stage.redis, customer)) > 4

    erasure = await erase_personal_data(stage.context, shop, customer, by=LAN)

    assert (erasure.known, erasure.ledger, erasure.remaining_deliveries) == (True, 1, 0)
    assert await stored_by(stage.redis, customer) == set()
    assert await stored_by(stage.redis, other) == before
    assert [row.customer async for row in ledger.iterate(stage.redis, ORG)] == [other]
    assert (await load_rewrite_state(stage.redis)).waiting
    assert stage.haravan.tags(customer) == {"VIP"}  # nothing changes in Haravan


async def test_ledger_entries_that_the_index_has_dropped_are_erased_too(stage: Stage, shop: Shop) -> None:
    customer = await person(stage)
    await stage.redis.hdel(keys.shop(ORG, "ledger_by_customer"), str(customer))

    erasure = await erase_personal_data(stage.context, shop, customer, by=LAN)

    assert erasure.ledger == 1
    assert [row async for row in ledger.iterate(stage.redis, ORG)] == []


async def test_a_queued_customer_is_erased_and_its_run_ends(stage: Stage, shop: Shop) -> None:
    customer = await person(stage)
    run = await runs.create(stage.redis, ORG, kind="replay", by="an", reason="test", now_ms=stage.now_ms)
    await runs.mark(stage.redis, ORG, run, [customer], kind="replay")
    assert (await runs.get(stage.redis, ORG, run)).remaining == 1

    await erase_personal_data(stage.context, shop, customer, by=LAN)

    assert (await runs.get(stage.redis, ORG, run)).remaining == 0
    assert await stored_by(stage.redis, customer) == set()
    assert await dirty.marked_among(stage.redis, ORG, [customer]) == frozenset()


@pytest.mark.parametrize("is_marked_again", [False, True])
async def test_a_write_under_way_stores_nothing_of_a_customer_that_is_erased_meanwhile(
    stage: Stage, shop: Shop, is_marked_again: bool
) -> None:
    customer = CustomerId(stage.haravan.create(total_spent=12_000_000, first_name="An"))
    await stage.announce(customer)

    async def erase() -> None:
        await erase_personal_data(stage.context, shop, customer, by=LAN)
        if is_marked_again:
            await stage.announce(customer)

    stage.haravan.on_call("POST tags", erase)
    await stage.turn(3)

    assert stage.haravan.tags(customer) == {"VIP"}
    assert await stage.redis.hexists(stage.key("snapshots"), str(customer))  # it was evaluated anew
    for name in ("owned", "intents", "ledger_by_customer"):
        assert not await stage.redis.hexists(stage.key(name), str(customer)), name
    assert [row async for row in ledger.iterate(stage.redis, ORG)] == []


async def test_a_write_under_way_stores_nothing_of_a_customer_that_haravan_deletes_meanwhile(
    stage: Stage, shop: Shop
) -> None:
    """Another drain finds the deletion confirmed while the answer is awaited, and a webhook marks the customer again."""
    customer = CustomerId(stage.haravan.create(total_spent=12_000_000, first_name="An"))
    await stage.announce(customer)

    async def delete() -> None:
        mark = f"mark:{customer}"
        generation, token = (
            await stage.field(customer, "generation"),
            await stage.redis.get(stage.key("lease")),
        )
        deletion = Settlement(op="delete", mark=Mark(customer, int(generation or 0), "live", 0))
        [outcome] = await load_script("queue", "settle")(
            stage.redis, ORG, stage.now_ms, token, 1, 1, encode_settlements([deletion])
        )
        assert outcome == b"done"
        assert not await stage.redis.exists(stage.key(mark))
        await stage.announce(customer)

    stage.haravan.on_call("POST tags", delete)
    await stage.turn()

    for name in ("owned", "intents", "ledger_by_customer"):
        assert not await stage.redis.hexists(stage.key(name), str(customer)), name
    assert [row async for row in ledger.iterate(stage.redis, ORG)] == []


async def adopting(stage: Stage, shop: Shop) -> tuple[int, Awaitable[Any]]:
    [customer] = await evaluate_customers(stage, 20_000_000, tags="VIP")
    claim = await claims.plan_adoption(stage.context, shop, "VIP", matching_only=False)
    await claims.apply_claim(stage.context, shop, claim, by=LAN)
    return customer, stage.execute_jobs()


async def restoring_tags(stage: Stage, shop: Shop) -> tuple[int, Awaitable[Any]]:
    await stage.publish(VIP)
    [customer] = await evaluate_customers(stage, 20_000_000)
    await stage.publish(rules())
    claim = await claims.plan_retraction(stage.context, shop, "VIP")
    await claims.apply_claim(stage.context, shop, claim, by=LAN, approved=True)
    await stage.execute_jobs()
    await stage.turn(3)
    assert stage.haravan.tags(customer) == set()
    await stage.publish(VIP)
    undo = await claims.plan_restoration(stage.context, shop, "VIP")
    await claims.apply_claim(stage.context, shop, undo, by=LAN)
    return customer, stage.execute_jobs()


async def rolling_out_a_rule_on_dates(stage: Stage, shop: Shop) -> tuple[int, Awaitable[Any]]:
    day = datetime.fromtimestamp(stage.now_ms / 1000, UTC).date().isoformat()
    customer = stage.haravan.create(total_spent=1, orders_count=1, last_order_date=f"{day}T03:00:00Z")
    await stage.mark(customer)
    await stage.turn()
    old = "  - {id: old, tag: Cũ, when: {field: last_order_date, op: more_than_ago, value: 90 days}}\n"
    return customer, publish(stage, shop, rules(vip(10_000_000), old))


async def scanning(stage: Stage, shop: Shop) -> tuple[int, Awaitable[Any]]:
    return stage.haravan.create(total_spent=5, first_name="An"), walk(stage)


async def looking_first(stage: Stage, shop: Shop) -> tuple[int, Awaitable[Any]]:
    customer = stage.haravan.create(total_spent=5, first_name="An")
    await stage.mark(customer)
    await stage.turn()
    stage.clock.advance(60)
    stage.haravan.edit(customer, first_name="Bình", announce=False)  # the snapshot is older than the page
    await save_first_look(stage.redis, ORG, "pending")
    return customer, walk(stage)


Work = Callable[[Stage, Shop], Awaitable[tuple[int, Awaitable[Any]]]]
BY_CUSTOMER = {"snapshots", "owned", "intents", "holds", "pending_restores", "schedule", "ledger_by_customer"}


@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    "work", [adopting, restoring_tags, rolling_out_a_rule_on_dates, scanning, looking_first]
)
async def test_an_erasure_at_any_await_of_work_on_many_customers_is_not_undone_by_it(
    stage: Stage, shop: Shop, work: Work
) -> None:
    waits = 0
    while True:
        waits += 1
        stage.clock.advance(60)  # otherwise the API calls of all turns fill the bucket
        customer, coroutine = await work(stage, shop)

        async def erase(_: Steps, customer: int = customer) -> None:
            await erase_personal_data(stage.context, shop, CustomerId(customer), by=LAN)

        async def worked(coroutine: Awaitable[Any] = coroutine) -> None:
            await coroutine

        steps = Steps(waits, erase)
        await steps.drive(worked())

        stored = await stored_by(stage.redis, customer)
        if steps.seen < waits:
            assert stored & BY_CUSTOMER  # without an erasure it is stored
            break
        assert stored & BY_CUSTOMER == set(), f"wait {waits} of {steps.seen}"


async def test_a_customer_whose_deliveries_came_with_those_of_others_keeps_only_its_id_there(
    stage: Stage, shop: Shop
) -> None:
    first, second = (stage.haravan.create(total_spent=5) for _ in range(2))
    events = [
        dirty.DirtyEvent(str(customer), cause="delivery", identity=f"id-{customer}".encode(), record=b"\x80")
        for customer in (first, second)
    ]
    await dirty.mark_dirty(stage.redis, ORG, events, lane="live", now_ms=stage.now_ms)

    erasure = await erase_personal_data(stage.context, shop, CustomerId(first), by=LAN)

    assert erasure.remaining_deliveries + erasure.deliveries == 1
    assert await stored_by(stage.redis, first) == set()


@pytest.mark.parametrize("times", [1, 2])
async def test_an_erasure_can_be_repeated(stage: Stage, shop: Shop, times: int) -> None:
    customer = await person(stage)

    erased = [await erase_personal_data(stage.context, shop, customer, by=LAN) for _ in range(times)]

    assert [erasure.known for erasure in erased] == [True, False][:times]
