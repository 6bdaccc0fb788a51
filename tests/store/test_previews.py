"""Previews over what the store has: every snapshot once, the unreadable ones left out, one look for a minute of edits."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from arq.connections import ArqRedis

from service.domain.compilation import compile_rules
from service.domain.customers import Customer, OrgId, pack
from service.domain.evaluation import Compiled
from service.domain.ownership import Past
from service.domain.parsing import parse_rules
from service.domain.standing import Owned, pack_owned
from service.domain.strikes import pack_strikes
from service.errors import Refused
from service.store import audit, census, drafts, keys, previews
from service.store.background import pack_excluded, unpack_excluded
from service.store.previews import Previews
from service.store.shop import Shop
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
        await client.hset(keys.shop(ORG, "snap"), str(number), pack(customer))
        if tags:
            owned = pack_owned({"vip": Owned("VIP", "vip", NOW_MS, 1)})
            await client.hset(keys.shop(ORG, "owned"), str(number), owned)
    return size


async def test_everybody_is_seen_once_with_what_is_ours(redis: ArqRedis, crowd: int) -> None:
    people = await previews.gather(redis, ORG, compiled(), now_ms=NOW_MS)
    shown = previews.show(SHOP, people, compiled(2_001), version=2).preview

    assert len(people) == shown.customers == crowd
    assert (shown.added, shown.removed) == (666, 666)  # of 1,000 above it and of 2,000 below, a third has it


async def test_a_snapshot_that_cannot_be_read_is_left_out_and_named(redis: ArqRedis) -> None:
    await redis.hset(keys.shop(ORG, "snap"), "7", "x")

    people, unreadable = await previews.everybody(redis, ORG, compiled(), now_ms=NOW_MS)

    assert (len(people), unreadable) == (0, [7])


async def test_an_edit_within_a_minute_is_answered_from_the_same_look_and_later_from_a_new_one(
    redis: ArqRedis,
) -> None:
    seen = Previews(redis)
    await redis.hset(keys.shop(ORG, "snap"), mapping={"1": pack(Customer(id=1, total_spent=50_0000))})
    first = await seen.show(SHOP, compiled(10), version=2, now_ms=NOW_MS)
    await redis.hset(keys.shop(ORG, "snap"), mapping={"2": pack(Customer(id=2, total_spent=50_0000))})

    edited = await seen.show(SHOP, compiled(60), version=2, now_ms=NOW_MS + 59_000)
    later = await seen.show(SHOP, compiled(10), version=2, now_ms=NOW_MS + 60_000)

    assert (first.preview.added, edited.preview.added, later.preview.added) == (1, 0, 2)
    assert (first.preview.customers, edited.preview.customers, later.preview.customers) == (1, 1, 2)
    assert later.summary["calls"] == 3


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
    await redis.hset(keys.shop(ORG, "snap"), mapping={"1": pack(Customer(id=1, total_spent=50_0000))})
    undone = {"vip": (NOW_MS - 3_000, NOW_MS - 2_000, NOW_MS - 1_000)}
    await redis.hset(keys.shop(ORG, "strikes"), mapping={"1": pack_strikes(undone)})

    now = await previews.gather(redis, ORG, compiled(), now_ms=NOW_MS)
    tomorrow = await previews.gather(redis, ORG, compiled(), now_ms=NOW_MS + 86_400_000)

    shown = previews.show(SHOP, now, compiled(), version=2)
    assert (shown.preview.added, shown.preview.touched, shown.effort.calls) == (0, 0, 0)
    assert shown.preview.tags[0].stopped == 1
    assert previews.show(SHOP, tomorrow, compiled(), version=2).preview.added == 1


async def test_customers_of_whom_nothing_is_known_yet_are_counted_and_warned_of(redis: ArqRedis) -> None:
    await redis.hset(keys.shop(ORG, "snap"), mapping={"1": pack(Customer(id=1, total_spent=50_0000))})
    seen, versions = Previews(redis), Versions(redis)
    unknown = await seen.show(SHOP, compiled(), version=2, now_ms=NOW_MS)

    await census.count(redis, ORG, 12)
    shown = await seen.show(SHOP, compiled(), version=2, now_ms=NOW_MS)
    drafted = await drafts.draft(
        redis, SHOP, parse_rules(RULE % ("leave", 1)), versions=versions, now_ms=NOW_MS
    )

    assert (unknown.unseen, unknown.warnings[0].kind) == (None, "uncounted")
    assert (shown.unseen, shown.warnings[0].kind, drafted.shown.unseen) == (11, "unseen", 11)
    assert previews.as_data(shown)["unseen"] == 11
