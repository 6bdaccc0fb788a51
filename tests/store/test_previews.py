"""Previews over what the store has: every snapshot once, the unreadable ones left out."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from arq.connections import ArqRedis

from service.context import Context
from service.domain.compilation import compile_rules
from service.domain.customers import Customer, OrgId, pack
from service.domain.evaluation import Compiled
from service.domain.ownership import Past
from service.domain.parsing import parse_rules
from service.domain.standing import OWNERSHIP_CODEC, Owned
from service.domain.strikes import REVERTS_CODEC
from service.errors import Refused
from service.store import audit, census, drafts, keys, previews
from service.store.background import pack_excluded, unpack_excluded
from service.store.cipher import Cipher
from service.store.shop import Shop
from service.store.shops import Shops
from service.store.versions import RETRACTED, Versions, made_ready

ORG = OrgId("1000000001")
SHOP = Shop(org=ORG, name="Thử", dialect="omni", api_url="https://example.com", token="t")
NOW_MS = int(datetime(2026, 11, 20, 5, tzinfo=UTC).timestamp() * 1000)
RULE = "version: 1\nrules:\n  - {id: vip, tag: VIP, when_gone: %s, when: {field: total_spent, op: at_least, value: %d}}"


def compiled(threshold: int = 10) -> Compiled:
    return compile_rules(parse_rules(RULE % ("leave", threshold)))


@pytest.fixture
async def crowd(redis: ArqRedis) -> int:
    """Three thousand snapshots (a scan needs several pages), a third of them with a tag of ours."""
    client: Any = redis
    size = 3_000
    for number in range(1, size + 1):
        tags = ("VIP",) if number % 3 == 0 else ()
        customer = Customer(id=number, total_spent=number * 10_000, tags=tags)
        await client.hset(keys.shop(ORG, "snapshots"), str(number), pack(customer))
        if tags:
            owned = OWNERSHIP_CODEC.encode({"vip": Owned("VIP", "vip", NOW_MS, 1)})
            await client.hset(keys.shop(ORG, "owned"), str(number), owned)
    return size


async def test_everybody_is_seen_once_with_what_is_ours(redis: ArqRedis, crowd: int) -> None:
    people = await previews.gather(redis, ORG, compiled(), now_ms=NOW_MS)
    shown = previews.show(SHOP, people, compiled(2_001), version=2).preview

    assert len(people) == shown.customers == crowd
    assert (shown.added, shown.removed) == (666, 666)  # of 1,000 above it and of 2,000 below, a third has it


async def test_a_snapshot_that_cannot_be_read_is_left_out_and_named(redis: ArqRedis) -> None:
    await redis.hset(keys.shop(ORG, "snapshots"), "7", "x")

    people, unreadable = await previews.everybody(redis, ORG, compiled(), now_ms=NOW_MS)

    assert (len(people), unreadable) == (0, [7])


async def test_a_version_inherits_the_last_wish_of_rules_that_left(redis: ArqRedis) -> None:
    versions = Versions(redis)
    await versions.publish(ORG, parse_rules(RULE % ("remove", 1)), author="Lan", parent=0)
    await versions.publish(ORG, parse_rules("version: 1"), author="Lan", parent=1)

    ready = await versions.compiled(ORG, 2, timezone="Asia/Ho_Chi_Minh", currency="VND")

    assert (await versions.past(ORG, 2)).gone == {"vip": "remove"}
    assert ready.when_gone == {"vip": "remove", RETRACTED: "remove"}


async def test_a_publish_that_lost_a_race_leaves_no_past_behind(redis: ArqRedis) -> None:
    versions = Versions(redis)
    await versions.publish(ORG, parse_rules(RULE % ("remove", 1)), author="Lan", parent=0)
    await versions.publish(ORG, parse_rules(RULE % ("leave", 2)), author="Lan", parent=1)

    with pytest.raises(Refused):
        await versions.publish(ORG, parse_rules("version: 1"), author="Minh", parent=1)

    assert (await versions.past(ORG, 2)).gone == {}


async def test_the_audit_log_tells_who_did_what(redis: ArqRedis) -> None:
    await audit.record(redis, ORG, by="Lan", what="exclude", about={"customer": 7, "rule": "vip"})
    await audit.record(redis, ORG, by="Minh", what="publish", about={"version": 2})

    assert [(one.by, one.what, one.about) for one in await audit.latest(redis, ORG)] == [
        ("Minh", "publish", {"version": 2}),
        ("Lan", "exclude", {"customer": 7, "rule": "vip"}),
    ]


def test_exclusions_are_kept_and_read_back() -> None:
    assert unpack_excluded(pack_excluded({"vip", "hang"})) == {"vip", "hang"}
    assert unpack_excluded(pack_excluded(())) == frozenset()


def test_what_is_retracted_is_removed_whatever_the_rules_say() -> None:
    assert made_ready(parse_rules("version: 1"), past=Past()).when_gone[RETRACTED] == "remove"


async def test_a_tag_that_people_keep_undoing_is_not_counted_as_coming_until_the_day_is_over(
    redis: ArqRedis,
) -> None:
    await redis.hset(keys.shop(ORG, "snapshots"), mapping={"1": pack(Customer(id=1, total_spent=50_0000))})
    undone = {"vip": (NOW_MS - 3_000, NOW_MS - 2_000, NOW_MS - 1_000)}
    await redis.hset(keys.shop(ORG, "reverts"), mapping={"1": REVERTS_CODEC.encode(undone)})

    now = await previews.gather(redis, ORG, compiled(), now_ms=NOW_MS)
    tomorrow = await previews.gather(redis, ORG, compiled(), now_ms=NOW_MS + 86_400_000)

    shown = previews.show(SHOP, now, compiled(), version=2)
    assert (shown.preview.added, shown.preview.touched, shown.effort.calls) == (0, 0, 0)
    assert shown.preview.tags[0].stopped == 1
    assert previews.show(SHOP, tomorrow, compiled(), version=2).preview.added == 1


async def test_customers_of_whom_nothing_is_known_yet_are_counted_and_warned_of(redis: ArqRedis) -> None:
    await redis.hset(keys.shop(ORG, "snapshots"), mapping={"1": pack(Customer(id=1, total_spent=50_0000))})
    rule_set, versions = parse_rules(RULE % ("leave", 1)), Versions(redis)
    context = Context(redis, Shops(redis, Cipher(("k" * 32,))), versions, lambda: NOW_MS)
    unknown = (await drafts.draft(context, SHOP, rule_set)).shown

    await census.count(redis, ORG, 12)
    shown = (await drafts.draft(context, SHOP, rule_set)).shown

    assert (unknown.unseen, unknown.warnings[0].kind) == (None, "uncounted")
    assert (shown.unseen, shown.warnings[0].kind) == (11, "unseen")
    assert previews.as_data(shown)["unseen"] == 11
    assert shown.summary["calls"] == 2
