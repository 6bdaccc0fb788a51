"""Previews load every readable snapshot once, with the customer's state."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from service.context import Context
from service.domain.customers.customer import (
    Customer,
    MissingField,
    MissingReason,
    OrgId,
    encode_snapshot,
)
from service.domain.decisions.state import OWNERSHIP_CODEC, Ownership
from service.domain.documents.parser import parse_rules
from service.domain.engine.compiled import CompiledRules
from service.domain.engine.compiler import compile_rules
from service.domain.rules.inheritance import Inheritance
from service.domain.sync import REVERTS_CODEC
from service.errors import Refused
from service.publishing import preview
from service.publishing.draft import create_draft
from service.store.client import RedisClient, keys
from service.store.customers import snapshots
from service.store.customers.sealed_snapshots import seal_snapshot
from service.store.customers.state import decode_exclusions, encode_exclusions
from service.store.encryption.cipher import ShopCipher
from service.store.encryption.keyring import KeyRing
from service.store.rules import RETRACTED_OWNER, Versions, compile_version
from service.store.shops.model import Shop
from service.store.shops.repository import ShopRepository

ORG = OrgId("1000000001")
CIPHER = ShopCipher(ORG, {b"id 1": b"k" * 32})
SHOP = Shop(org=ORG, name="Thử", dialect="omni", api_url="https://example.com", token="t")
NOW_MS = int(datetime(2026, 11, 20, 5, tzinfo=UTC).timestamp() * 1000)
RULE = "version: 1\nrules:\n  - {id: vip, tag: VIP, when_gone: %s, when: {field: total_spent, op: at_least, value: %d}}"


def compiled(threshold: int = 10) -> CompiledRules:
    return compile_rules(parse_rules(RULE % ("leave", threshold)))


@pytest.fixture
async def crowd(redis: RedisClient) -> int:
    """Three thousand snapshots (a scan needs several pages), a third of them with a tag of ours."""
    client: Any = redis
    size = 3_000
    for number in range(1, size + 1):
        tags = ("VIP",) if number % 3 == 0 else ()
        customer = Customer(id=number, total_spent=number * 10_000, tags=tags)
        await client.hset(keys.shop(ORG, "snapshots"), str(number), encode_snapshot(customer))
        if tags:
            owned = OWNERSHIP_CODEC.encode({"vip": Ownership("VIP", "vip", NOW_MS, 1)})
            await client.hset(keys.shop(ORG, "owned"), str(number), owned)
    return size


async def test_every_customer_is_loaded_once_with_its_ownership(redis: RedisClient, crowd: int) -> None:
    people = await preview.load_population(redis, ORG, compiled(), now_ms=NOW_MS, cipher=CIPHER)
    shown = preview.build_report(SHOP, people, compiled(2_001), version=2).preview

    assert len(people) == shown.customers == crowd
    assert (shown.added, shown.removed) == (666, 666)  # of 1,000 above it and of 2,000 below, a third has it


async def test_an_unreadable_snapshot_is_left_out_and_reported(redis: RedisClient) -> None:
    await redis.hset(keys.shop(ORG, "snapshots"), "7", "x")

    people, unreadable = await preview.load_population_and_unreadable(
        redis, ORG, compiled(), now_ms=NOW_MS, cipher=CIPHER
    )

    assert (len(people), unreadable) == (0, [7])


async def test_a_version_inherits_when_gone_of_removed_rules(redis: RedisClient) -> None:
    versions = Versions(redis)
    await versions.publish(ORG, parse_rules(RULE % ("remove", 1)), author="Lan", parent=0)
    await versions.publish(ORG, parse_rules("version: 1"), author="Lan", parent=1)

    ready = await versions.compiled(ORG, 2, timezone="Asia/Ho_Chi_Minh", currency="VND")

    assert (await versions.inherited(ORG, 2)).orphan_policies == {"vip": "remove"}
    assert ready.orphan_policies == {"vip": "remove", RETRACTED_OWNER: "remove"}


async def test_a_publish_that_lost_a_race_stores_no_inheritance(redis: RedisClient) -> None:
    versions = Versions(redis)
    await versions.publish(ORG, parse_rules(RULE % ("remove", 1)), author="Lan", parent=0)
    await versions.publish(ORG, parse_rules(RULE % ("leave", 2)), author="Lan", parent=1)

    with pytest.raises(Refused):
        await versions.publish(ORG, parse_rules("version: 1"), author="Minh", parent=1)

    assert (await versions.inherited(ORG, 2)).orphan_policies == {}


def test_exclusions_survive_encoding() -> None:
    assert decode_exclusions(encode_exclusions({"vip", "hang"})) == {"vip", "hang"}
    assert decode_exclusions(encode_exclusions(())) == frozenset()


def test_a_retracted_tag_is_removed_regardless_of_the_rules() -> None:
    assert (
        compile_version(parse_rules("version: 1"), inherited=Inheritance()).orphan_policies[RETRACTED_OWNER]
        == "remove"
    )


async def test_a_suppressed_tag_is_not_counted_as_added_until_the_day_is_over(
    redis: RedisClient,
) -> None:
    await redis.hset(
        keys.shop(ORG, "snapshots"), mapping={"1": encode_snapshot(Customer(id=1, total_spent=50_0000))}
    )
    undone = {"vip": (NOW_MS - 3_000, NOW_MS - 2_000, NOW_MS - 1_000)}
    await redis.hset(keys.shop(ORG, "reverts"), mapping={"1": REVERTS_CODEC.encode(undone)})

    now = await preview.load_population(redis, ORG, compiled(), now_ms=NOW_MS, cipher=CIPHER)
    tomorrow = await preview.load_population(
        redis, ORG, compiled(), now_ms=NOW_MS + 86_400_000, cipher=CIPHER
    )

    shown = preview.build_report(SHOP, now, compiled(), version=2)
    assert (shown.preview.added, shown.preview.touched, shown.cost.calls) == (0, 0, 0)
    assert shown.preview.tags[0].stopped == 1
    assert preview.build_report(SHOP, tomorrow, compiled(), version=2).preview.added == 1


BY_EMAIL = """
rules:
  - {id: gmail, name: Gmail, tag: Gmail, when: {field: email, op: contains, value: "@gmail.com"}}
"""


@pytest.mark.parametrize(("kept", "added", "lacking"), [(frozenset({"email"}), 1, []), (frozenset(), 0, [1])])
async def test_a_rule_that_reads_an_e_mail_sees_it_if_snapshots_keep_it_and_otherwise_says_so(
    redis: RedisClient, kept: frozenset[str], added: int, lacking: list[int]
) -> None:
    snapshot = seal_snapshot(Customer(id=1, email="an@gmail.com"), CIPHER, kept=kept)
    await redis.hset(keys.shop(ORG, "snapshots"), mapping={"1": snapshot})
    rules = compile_rules(parse_rules(BY_EMAIL))

    people, unreadable = await preview.load_population_and_unreadable(
        redis, ORG, rules, now_ms=NOW_MS, cipher=CIPHER
    )
    shown = preview.build_report(SHOP, people, rules, version=1, lacking=len(unreadable))

    assert (len(people), shown.preview.added, unreadable) == (1, added, lacking)
    assert ("not_stored" in {warning.kind for warning in shown.warnings}) is bool(lacking)
    assert not {"field_missing", "field_never_seen"} & {warning.kind for warning in shown.warnings}
    assert shown.guard.needs_approval


async def test_no_personal_field_is_opened_for_rules_that_read_none(redis: RedisClient) -> None:
    snapshot = seal_snapshot(Customer(id=1, first_name="An", total_spent=50_0000), CIPHER, kept=frozenset())
    await redis.hset(keys.shop(ORG, "snapshots"), mapping={"1": snapshot})
    nobody = ShopCipher(ORG, {})  # opens nothing

    people, unreadable = await preview.load_population_and_unreadable(
        redis, ORG, compiled(), now_ms=NOW_MS, cipher=nobody
    )

    assert (len(people), unreadable) == (1, [])


async def test_customers_without_a_snapshot_are_counted_with_a_warning(redis: RedisClient) -> None:
    await redis.hset(
        keys.shop(ORG, "snapshots"), mapping={"1": encode_snapshot(Customer(id=1, total_spent=50_0000))}
    )
    rule_set, versions = parse_rules(RULE % ("leave", 1)), Versions(redis)
    context = Context(
        redis, ShopRepository(redis, KeyRing(("0123456789abcdef" * 2,))), versions, lambda: NOW_MS
    )
    unknown = (await create_draft(context, SHOP, rule_set)).report

    await snapshots.save_count(redis, ORG, 12)
    shown = (await create_draft(context, SHOP, rule_set)).report

    assert (unknown.unscanned, unknown.warnings[0].kind) == (None, "uncounted")
    assert (shown.unscanned, shown.warnings[0].kind) == (11, "unseen")
    assert preview.to_dict(shown)["unscanned"] == 11
    assert shown.summary["calls"] == 2


async def test_a_snapshot_remembers_which_fields_its_record_lacked_and_the_preview_decides_as_the_worker(
    redis: RedisClient,
) -> None:
    lacking = (MissingField("total_spent", MissingReason.UNREADABLE),)
    known = [
        Customer(id=1, first_name="An", tags=("VIP",), missing=lacking),
        Customer(id=2, first_name="An", total_spent=50_0000),
    ]
    snapshots_by_id = {str(item.id): seal_snapshot(item, CIPHER, kept=frozenset()) for item in known}
    await redis.hset(keys.shop(ORG, "snapshots"), mapping=snapshots_by_id)
    owned = OWNERSHIP_CODEC.encode({"vip": Ownership("VIP", "vip", NOW_MS, 1)})
    await redis.hset(keys.shop(ORG, "owned"), mapping={"1": owned})

    people = await preview.load_population(redis, ORG, compiled(), now_ms=NOW_MS, cipher=CIPHER)
    report = preview.build_report(SHOP, people, compiled(), version=2)

    shown = preview.to_dict(report)
    assert (shown["added"], shown["removed"], shown["undecided"]) == (1, 0, {"vip": 1})
    assert shown["tags"][0]["undecided"] == 1
    assert [warning.params["field"] for warning in report.warnings if warning.kind == "field_missing"] == [
        "total_spent"
    ]
