"""Dead letters are grouped by cause with the likely fix, retried by a filter, and dropped with a reason."""

from __future__ import annotations

import json
from typing import get_args

import pytest

from service.context import Context
from service.domain.customers.customer import CustomerId
from service.domain.explain import LANGUAGES, Language
from service.errors import NotFound, Refused
from service.locales import translator_for
from service.operations import (
    LetterFilter,
    drop_dead_letters,
    find_letters,
    group_key,
    group_letters,
    retry_dead_letters,
)
from service.store.client import RedisClient, keys
from service.store.encryption.keyring import KeyRing
from service.store.history import audit_log
from service.store.queue import DeadLetter
from service.store.rules import Versions
from service.store.shops.repository import ShopRepository
from tests.support.actors import LAN
from tests.support.shop import ORG

KINDS = ("undone", "rejected", "denied", "crash", "unavailable", "missing", "unreadable", "bug")


def letter(
    customer: int, cause: str = "rejected", text: str = "422: tag is too long", last_ms: int = 2
) -> DeadLetter:
    return DeadLetter(CustomerId(customer), cause, text, 1, last_ms, 3, transient=False)


async def store(redis: RedisClient, *letters: DeadLetter) -> None:
    """Store letters as settle.lua does."""
    by_customer: dict[int, dict[str, object]] = {}
    for each in letters:
        stored = {
            "text": each.text,
            "first": each.first_ms,
            "last": each.last_ms,
            "count": each.count,
            "transient": each.transient,
        }
        by_customer.setdefault(each.customer, {})[each.cause] = stored
    for customer, packed in by_customer.items():
        await redis.hset(keys.shop(ORG, "dead_letters"), str(customer), json.dumps(packed))


@pytest.fixture
def context(redis: RedisClient) -> Context:
    return Context(redis, ShopRepository(redis, KeyRing(["0123456789abcdef" * 2])), Versions(redis))


def test_letters_are_grouped_by_cause_and_text_the_largest_first() -> None:
    letters = [letter(1, "denied", "403"), letter(2), letter(3), letter(4, text="422: other")]

    groups = group_letters(letters, words=translator_for("en"))

    assert [(len(group.letters), group.text) for group in groups] == [
        (2, "Haravan refused: 422: tag is too long"),
        (1, groups[1].text),
        (1, "Haravan refused: 422: other"),
    ]


def test_crashes_and_reverts_are_one_group_whatever_their_details() -> None:
    letters = [letter(1, "undone:VIP", "a"), letter(2, "undone:Gold", "b"), letter(3, "crash", "c")]

    [undone, crash] = group_letters(letters, words=translator_for("vi"))

    assert (len(undone.letters), len(crash.letters)) == (2, 1)
    assert "ba lần trong 24 giờ" in undone.text


@pytest.mark.parametrize("language", get_args(Language))
def test_every_cause_has_a_likely_fix(language: Language) -> None:
    assert set(LANGUAGES) == set(get_args(Language))
    t = translator_for(language)

    assert [kind for kind in KINDS if not t.has(f"letters.fix.{kind}")] == []
    assert all(t.has(f"letter.{kind}") for kind in KINDS)
    [group] = group_letters([letter(1, "new cause")], words=t)
    assert group.fix == t("letters.fix.other")


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (LetterFilter(), [1, 2, 3, 3]),
        (LetterFilter(cause="undone"), [2, 3]),
        (LetterFilter(group=group_key(letter(1))), [1]),
        (LetterFilter(customers=frozenset({CustomerId(3)})), [3, 3]),
        (LetterFilter(since_ms=50), [3]),
        (LetterFilter(before_ms=50), [1, 2, 3]),
    ],
)
async def test_letters_are_found_by_a_filter(
    redis: RedisClient, wanted: LetterFilter, expected: list[int]
) -> None:
    await store(
        redis, letter(1), letter(2, "undone:VIP"), letter(3, "undone:VIP"), letter(3, "denied", last_ms=99)
    )

    assert sorted(found.customer for found in await find_letters(redis, ORG, wanted)) == expected


async def test_a_retry_marks_the_customers_of_the_letters(redis: RedisClient, context: Context) -> None:
    await store(redis, letter(1), letter(2, "denied", "403"))
    await redis.hset(keys.shop(ORG, "reverts"), "2", "x")

    retried = await retry_dead_letters(context, ORG, LetterFilter(cause="denied"), by=LAN)
    nobody = await retry_dead_letters(context, ORG, LetterFilter(cause="bug"), by=LAN)

    assert (retried, nobody) == ([2], [])
    assert await redis.zrange(keys.shop(ORG, "ready:bulk"), 0, -1) == [b"2"]
    assert not await redis.hexists(keys.shop(ORG, "reverts"), "2")
    [row] = await audit_log.list_entries(redis, ORG)
    assert row.entry.summary == "customers: 1, cause: denied"


async def test_dropping_closes_these_letters_only_and_needs_a_reason(
    redis: RedisClient, context: Context
) -> None:
    await store(redis, letter(1), letter(1, "denied", "403"), letter(2))
    wanted = LetterFilter(cause="rejected")

    with pytest.raises(Refused, match="say why"):
        await drop_dead_letters(context, ORG, wanted, by=LAN, reason=" ")
    dropped = await drop_dead_letters(context, ORG, wanted, by=LAN, reason="khách thử")

    assert dropped == [1, 2]
    assert [(each.customer, each.cause) for each in await find_letters(redis, ORG, LetterFilter())] == [
        (1, "denied")
    ]
    with pytest.raises(NotFound):
        await drop_dead_letters(context, ORG, wanted, by=LAN, reason="khách thử")
    [row] = await audit_log.list_entries(redis, ORG)
    assert (row.entry.action, row.entry.summary) == ("drop_dead_letters", "customers: 2 (khách thử)")
