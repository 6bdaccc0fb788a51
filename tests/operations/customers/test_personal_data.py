"""Everything stored of a customer is exported, and erased; what others have stays."""

from __future__ import annotations

from typing import Any

import pytest

from service.domain.customers.customer import CustomerId
from service.operations.customers.personal_data import erase_personal_data, export_personal_data
from service.store.client import RedisClient, keys
from service.store.history import audit_log, ledger
from service.store.jobs import runs
from service.store.queue import dirty
from service.store.shops.model import Shop
from service.store.topology import load_rewrite_state
from tests.support.actors import LAN
from tests.support.store import all_keys
from tests.workers.stage import ORG, Stage


async def stored_by(redis: RedisClient, customer: int) -> set[str]:
    """The keys of the shop that have something by this customer."""
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
    return found


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


async def test_a_write_under_way_stores_nothing_of_a_customer_that_is_erased_meanwhile(
    stage: Stage, shop: Shop
) -> None:
    customer = CustomerId(stage.haravan.create(total_spent=12_000_000, first_name="An"))
    await stage.announce(customer)

    async def erase() -> None:
        await erase_personal_data(stage.context, shop, customer, by=LAN)

    stage.haravan.on_call("POST tags", erase)
    await stage.turn(3)

    assert stage.haravan.tags(customer) == {"VIP"}
    assert await stage.redis.hexists(stage.key("snapshots"), str(customer))  # it was evaluated anew
    for name in ("owned", "intents", "ledger_by_customer"):
        assert not await stage.redis.hexists(stage.key(name), str(customer))


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
