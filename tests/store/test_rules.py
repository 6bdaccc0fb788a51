"""Rule versions: immutable, numbered, addressed by content, published over the version that the author saw."""

from __future__ import annotations

import asyncio

import pytest

from service.domain.customers.customer import OrgId
from service.domain.documents.parser import parse_rules
from service.domain.rules.document import RuleSet
from service.errors import NotFound
from service.locales import translator_for
from service.store.client import RedisClient, keys
from service.store.rules import FIRST_NOTE, RulesChanged, Versions, describe_note, rollback_note

ORG = OrgId("1000000001")


def rules(amount: int = 10_000_000) -> RuleSet:
    when = f"{{field: total_spent, op: at_least, value: {amount}}}"
    return parse_rules(f"rules:\n  - {{id: vip, name: Khách VIP, tag: VIP, when: {when}}}\n")


@pytest.fixture
def versions(redis: RedisClient) -> Versions:
    return Versions(redis)


async def test_before_the_first_version_nothing_is_live(versions: Versions) -> None:
    assert await versions.live_number(ORG) == 0
    assert await versions.live(ORG) is None
    assert await versions.history(ORG) == ()


async def test_a_published_version_is_live_and_comes_back_as_it_was(versions: Versions) -> None:
    preview = {"add": 12, "remove": 0}

    made = await versions.publish(ORG, rules(), author="lan", note="ngày đầu", parent=0, preview=preview)

    assert (made.number, made.author, made.note, made.parent, made.preview) == (
        1,
        "lan",
        "ngày đầu",
        0,
        preview,
    )
    assert made.at_ms > 1_600_000_000_000
    assert await versions.live(ORG) == made
    assert await versions.document(ORG, 1) == rules()


async def test_history_has_the_newest_first(versions: Versions) -> None:
    for parent in range(11):
        await versions.publish(ORG, rules(1_000_000 * (parent + 1)), author="lan", parent=parent)

    assert [version.number for version in await versions.history(ORG)] == list(range(11, 0, -1))


async def test_earlier_versions_stay_as_they_were(versions: Versions) -> None:
    await versions.publish(ORG, rules(10_000_000), author="lan", parent=0)
    await versions.publish(ORG, rules(20_000_000), author="lan", parent=1)

    assert await versions.document(ORG, 1) == rules(10_000_000)
    assert await versions.document(ORG, 2) == rules(20_000_000)


async def test_equal_rules_share_one_content(versions: Versions, redis: RedisClient) -> None:
    first = await versions.publish(ORG, rules(10_000_000), author="lan", parent=0)
    await versions.publish(ORG, rules(20_000_000), author="lan", parent=1)
    back = await versions.publish(ORG, rules(10_000_000), author="lan", note="roll back", parent=2)

    assert back.number == 3
    assert back.content == first.content
    assert await redis.hlen(keys.shop(ORG, "documents")) == 2


async def test_a_publish_over_a_version_that_the_author_has_not_seen_is_refused(versions: Versions) -> None:
    await versions.publish(ORG, rules(10_000_000), author="lan", parent=0)

    with pytest.raises(RulesChanged, match=r"version 1 .* published meanwhile, you began from 0"):
        await versions.publish(ORG, rules(20_000_000), author="minh", parent=0)

    assert await versions.document(ORG, 1) == rules(10_000_000)


async def test_of_concurrent_publishes_one_succeeds(versions: Versions) -> None:
    tries = (versions.publish(ORG, rules(1_000_000 * n), author=f"a{n}", parent=0) for n in range(1, 21))

    made = await asyncio.gather(*tries, return_exceptions=True)

    assert [type(each) for each in made].count(RulesChanged) == 19
    (won,) = await versions.history(ORG)
    assert await versions.live(ORG) == won
    assert await versions.document(ORG, 1) == rules(1_000_000 * int(won.author[1:]))


async def test_a_version_that_is_not_there_is_not_found(versions: Versions) -> None:
    with pytest.raises(NotFound):
        await versions.get(ORG, 1)


async def test_shops_have_rules_of_their_own(versions: Versions) -> None:
    await versions.publish(ORG, rules(), author="lan", parent=0)

    assert await versions.live(OrgId("2")) is None


@pytest.mark.parametrize(
    ("note", "text"),
    [
        (str(FIRST_NOTE), "bộ quy tắc đầu tiên"),
        (str(rollback_note(12)), "quay lại bản v12"),
        (str(rollback_note(0)), "quay lại lúc chưa có quy tắc"),
        ("back to version 1 of the plan", "back to version 1 of the plan"),
        ("Tết 2027", "Tết 2027"),
        ("", ""),
    ],
)
def test_a_note_that_the_service_wrote_is_read_in_the_readers_language(note: str, text: str) -> None:
    assert describe_note(note, translator_for("vi")) == text
    assert describe_note(note, translator_for("en")) == note
