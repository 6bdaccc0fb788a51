"""A diagnosis reads a bounded part of a shop in a few round trips. What it finds is in tests/deploy/cli."""

from __future__ import annotations

from typing import Any, Final

import pytest

from service.context import Context
from service.doctor import Report, Severity, diagnose, diagnose_shop
from service.domain.customers.customer import Customer, MissingField, MissingReason, encode_snapshot
from service.domain.documents import parse_rules
from service.errors import NotFound
from service.locales import translator_for
from service.store.client import RedisClient, keys
from service.store.rules import Versions
from service.store.shop_facts import MAX_LETTERS, MAX_SAMPLE, load_shop_facts
from tests.support.shop import ORG, OTHER_ORG, add_shops

WORDS: Final = translator_for("en")
RULES: Final = parse_rules(
    "version: 1\nrules: [{id: b, name: B, tag: B, when: {field: birthday, op: this_month}}]"
)
NO_BIRTHDAY: Final = (MissingField("birthday", MissingReason.ABSENT),)


@pytest.fixture
async def context(redis: RedisClient) -> Context:
    return Context(redis, await add_shops(redis), Versions(redis))


async def store_customers(redis: RedisClient, count: int) -> None:
    client: Any = redis
    stored = {str(n): encode_snapshot(Customer(id=n, missing=NO_BIRTHDAY)) for n in range(1, count + 1)}
    await client.hset(keys.shop(ORG, "snapshots"), mapping=stored)


def texts(report: Report, key: str) -> list[str]:
    return [finding.text for finding in report.findings if finding.key == key]


async def test_a_large_shop_is_judged_by_a_sample_and_deeply_by_all_customers(
    context: Context, redis: RedisClient
) -> None:
    await context.versions.publish(ORG, RULES, author="an", parent=0)
    await store_customers(redis, 300)

    [sampled] = texts(await diagnose_shop(context, ORG, WORDS), "fields_missing")
    [all_of_them] = texts(await diagnose_shop(context, ORG, WORDS, deep=True), "fields_missing")

    assert sampled.startswith(f"In a sample of {MAX_SAMPLE} customers: B: None of the {MAX_SAMPLE} ")
    assert all_of_them.startswith("B: None of the 300 ")


async def test_the_facts_of_a_shop_are_bounded(context: Context, redis: RedisClient) -> None:
    await store_customers(redis, 300)
    client: Any = redis
    letter = '{"undone:VIP": {"text": "", "first": 1, "last": 2, "count": 1}}'
    letters = {str(n): letter for n in range(4 * MAX_LETTERS)}
    await client.hset(keys.shop(ORG, "dead_letters"), mapping=letters)

    facts = await load_shop_facts(redis, ORG)

    assert (facts.known, len(facts.sample)) == (300, MAX_SAMPLE)
    assert facts.backlog.dead_letters == 4 * MAX_LETTERS
    assert facts.dead_letters.keys() == {"undone"}
    assert facts.dead_letters["undone"] < 2 * MAX_LETTERS


async def test_an_unreadable_snapshot_is_left_out_of_the_sample(redis: RedisClient, context: Context) -> None:
    await store_customers(redis, 2)
    client: Any = redis
    await client.hset(keys.shop(ORG, "snapshots"), "3", b"\xff")

    facts = await load_shop_facts(redis, ORG)

    assert (facts.known, len(facts.sample)) == (3, 2)


async def test_all_shops_are_diagnosed_after_the_service(context: Context) -> None:
    report = await diagnose(context, WORDS)

    orgs = list(dict.fromkeys(finding.org for finding in report.findings))
    assert orgs == [None, ORG, OTHER_ORG]
    assert report.verdict is Severity.CRITICAL  # the shops have no rules
    assert Report(()).verdict is Severity.OK


async def test_a_shop_that_does_not_exist_is_not_found(context: Context) -> None:
    with pytest.raises(NotFound):
        await diagnose_shop(context, type(ORG)("1000000009"), WORDS)
