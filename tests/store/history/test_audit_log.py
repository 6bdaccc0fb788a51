"""The audit log is a chain: no entry can be changed, removed, inserted or moved unnoticed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from service.domain.access import Actor, Role, shell_user
from service.domain.customers import OrgId
from service.errors import Refused
from service.locales import translator_for
from service.sentence import Sentence
from service.store.client import SERVICE, RedisClient, keys
from service.store.history import AuditFilter, apply_retention, audit_log
from service.store.history.audit_log import chained_hash

ORG, OTHER = OrgId("1000000001"), OrgId("1000000002")
LAN = Actor("Lan", Role.OPS, "token")
STREAM = keys.shop(ORG, "audit")


async def record(redis: RedisClient, *actions: str, org: OrgId = ORG) -> list[str]:
    return [
        await audit_log.record(redis, LAN, action, org=org, summary=Sentence("did {action}", action=action))
        for action in actions
    ]


async def next_millisecond(redis: RedisClient) -> None:
    """Return when the server's clock has moved on."""
    seconds, micros = start = await redis.time()
    while (seconds, micros // 1000) == (start[0], start[1] // 1000):
        seconds, micros = await redis.time()


async def found(redis: RedisClient, wanted: AuditFilter, org: OrgId = ORG, **page: int) -> list[int]:
    """The numbers of the entries that match."""
    return [row.entry.number for row in await audit_log.list_entries(redis, org, wanted=wanted, **page)]


async def problem(redis: RedisClient, org: OrgId = ORG) -> str:
    return str((await audit_log.verify(redis, org)).problem or "")


async def test_entries_say_who_did_what_in_which_role(redis: RedisClient) -> None:
    await record(redis, "pause")
    await audit_log.record(redis, shell_user("root"), "resume", org=ORG, summary=Sentence("work resumed"))

    newest, oldest = [row.entry for row in await audit_log.list_entries(redis, ORG)]

    assert (newest.number, newest.by, newest.kind, newest.role) == (2, "root", "shell", Role.OWNER)
    assert (oldest.number, oldest.by, oldest.kind, oldest.role) == (1, "Lan", "token", Role.OPS)
    assert (oldest.action, oldest.summary, oldest.chain) == ("pause", "did pause", ORG)
    assert newest.at_ms >= oldest.at_ms > 1_600_000_000_000


async def test_each_hash_covers_the_entry_and_the_hash_before_it(redis: RedisClient) -> None:
    first, second = await record(redis, "pause", "resume")

    stored = [fields for _, fields in await redis.xrange(STREAM)]
    assert first == chained_hash("", stored[0][b"entry"])
    assert second == chained_hash(first, stored[1][b"entry"])
    assert await audit_log.verify(redis, ORG) == audit_log.Verification(2, 0, second)


async def test_shops_and_the_service_have_chains_of_their_own(redis: RedisClient) -> None:
    await record(redis, "pause", "resume")
    await record(redis, "pause", org=OTHER)
    await record(redis, "add_token", org=SERVICE)

    found = [(await audit_log.verify(redis, org)).entries for org in (ORG, OTHER, SERVICE)]
    assert found == [2, 1, 1]


async def test_processes_that_record_together_make_one_chain(redis: RedisClient) -> None:
    await asyncio.gather(*(record(redis, f"action {number}") for number in range(40)))

    rows = await audit_log.list_entries(redis, ORG)
    assert [row.entry.number for row in rows] == list(range(40, 0, -1))
    assert {row.entry.action for row in rows} == {f"action {number}" for number in range(40)}
    assert await problem(redis) == ""


async def test_entries_are_listed_page_by_page(redis: RedisClient) -> None:
    await record(redis, *map(str, range(1, 8)))

    first = await audit_log.list_entries(redis, ORG, limit=3)
    second = await audit_log.list_entries(redis, ORG, limit=3, before=first[-1].entry.number)

    assert [row.entry.number for row in first + second] == [7, 6, 5, 4, 3, 2]


async def remove(redis: Any, entries: Any) -> None:
    await redis.xdel(STREAM, entries[1][0])


async def remove_the_first(redis: Any, entries: Any) -> None:
    await redis.xdel(STREAM, entries[0][0])


async def rebuild(redis: Any, entries: list[dict[bytes, bytes]]) -> None:
    await redis.delete(STREAM)
    for fields in entries:
        await redis.xadd(STREAM, fields)


async def change(redis: Any, entries: Any) -> None:
    changed = [dict(fields) for _, fields in entries]
    changed[1][b"entry"] = changed[1][b"entry"].replace(b'"action":"2"', b'"action":"nothing"')
    await rebuild(redis, changed)


async def change_with_its_hash(redis: Any, entries: Any) -> None:
    changed = [dict(fields) for _, fields in entries]
    changed[1][b"entry"] = changed[1][b"entry"].replace(b'"action":"2"', b'"action":"nothing"')
    changed[1][b"hash"] = chained_hash(changed[0][b"hash"].decode(), changed[1][b"entry"]).encode()
    await rebuild(redis, changed)


async def swap(redis: Any, entries: Any) -> None:
    first, second, *rest = (dict(fields) for _, fields in entries)
    await rebuild(redis, [second, first, *rest])


async def insert(redis: Any, entries: Any) -> None:
    first, *rest = (dict(fields) for _, fields in entries)
    await rebuild(redis, [first, dict(first), *rest])


async def take_another_chain(redis: Any, _: Any) -> None:
    await record(redis, "1", org=OTHER)
    await rebuild(redis, [fields for _, fields in await redis.xrange(keys.shop(OTHER, "audit"))])


async def write_nonsense(redis: Any, entries: Any) -> None:
    nonsense = b"\xff{"
    await redis.xadd(
        STREAM, {"entry": nonsense, "hash": chained_hash(entries[-1][1][b"hash"].decode(), nonsense)}
    )


async def drop_fields(redis: Any, _: Any) -> None:
    await redis.xadd(STREAM, {"something": "else"})


@pytest.mark.parametrize(
    "tamper",
    [
        remove,
        remove_the_first,
        change,
        change_with_its_hash,
        swap,
        insert,
        take_another_chain,
        write_nonsense,
        drop_fields,
    ],
)
async def test_a_change_of_the_log_is_found(redis: RedisClient, tamper: Callable[[Any, Any], Any]) -> None:
    await record(redis, "1", "2", "3")
    assert await problem(redis) == ""

    await tamper(redis, await redis.xrange(STREAM))

    assert await problem(redis) != ""


async def test_a_log_that_was_written_anew_is_found_by_a_hash_noted_before(redis: RedisClient) -> None:
    noted, last = await record(redis, "1", "2")
    whole = await audit_log.verify(redis, ORG, expected_hash=noted)
    await redis.delete(STREAM)
    await next_millisecond(redis)  # the same entries of the same millisecond have the same hash
    await record(redis, "1", "2")

    anew = await audit_log.verify(redis, ORG, expected_hash=last)

    assert (whole.problem, await problem(redis)) == (None, "")
    assert "does not contain the expected hash" in str(anew.problem)


async def test_retention_trims_old_entries_and_the_rest_can_still_be_verified(redis: RedisClient) -> None:
    first, second = await record(redis, "old", "older")
    await next_millisecond(redis)
    await record(redis, "young")
    [(young, _)] = await redis.xrevrange(STREAM, count=1)
    young_ms = int(young.decode().partition("-")[0])

    await apply_retention(redis, ORG, now_ms=young_ms + keys.LEDGER_DAYS * keys.DAY_S * 1000)

    [row] = await audit_log.list_entries(redis, ORG)
    assert (row.entry.number, row.entry.action) == (3, "young")
    checked = await audit_log.verify(redis, ORG, expected_hash=second)
    assert (checked.entries, checked.trimmed, checked.problem) == (1, 2, None)
    assert "expected hash" in str((await audit_log.verify(redis, ORG, expected_hash=first)).problem)


async def test_a_log_that_is_trimmed_completely_goes_on_where_it_was(redis: RedisClient) -> None:
    await record(redis, *map(str, range(1203)))
    before = await audit_log.verify(redis, ORG)

    await audit_log.trim(redis, ORG, oldest_ms=4_000_000_000_000)
    emptied = await audit_log.verify(redis, ORG)
    await record(redis, "next")

    assert (emptied.entries, emptied.trimmed, emptied.last_hash) == (0, 1203, before.last_hash)
    assert (await audit_log.verify(redis, ORG, expected_hash=before.last_hash)).problem is None
    assert [row.entry.number for row in await audit_log.list_entries(redis, ORG)] == [1204]


async def test_removing_the_first_entries_by_hand_is_not_taken_for_retention(redis: RedisClient) -> None:
    await record(redis, "1", "2", "3")
    await audit_log.trim(redis, ORG, oldest_ms=1)
    [(oldest, _)] = await redis.xrange(STREAM, count=1)

    await redis.xdel(STREAM, oldest)

    assert await problem(redis) != ""


async def test_a_change_is_recorded_before_it_is_made(redis: RedisClient) -> None:
    async with audit_log.recorded(redis, LAN, "pause", org=ORG, summary=Sentence("work paused")):
        [row] = await audit_log.list_entries(redis, ORG)

    assert row.entry.action == "pause"
    assert len(await audit_log.list_entries(redis, ORG)) == 1


async def test_a_change_that_fails_has_a_second_entry(redis: RedisClient) -> None:
    with pytest.raises(Refused):
        async with audit_log.recorded(
            redis, LAN, "publish", org=ORG, summary=Sentence("version {number}", number=2)
        ):
            raise Refused("another version was published meanwhile")

    summaries = [row.entry.summary for row in await audit_log.list_entries(redis, ORG)]
    assert summaries == ["failed (Refused): version 2", "version 2"]


async def test_a_long_text_of_a_summary_is_cut(redis: RedisClient) -> None:
    await audit_log.record(redis, LAN, "pause", org=ORG, summary=Sentence("tag {tag}", tag="x" * 1000))

    [row] = await audit_log.list_entries(redis, ORG)
    assert row.entry.summary == "tag " + "x" * audit_log.MAX_TEXT


async def test_an_entry_is_shown_in_the_reader_s_language(redis: RedisClient) -> None:
    kept = Sentence("shop {org}: {kept}, its audit log had {entries} entries up to {hash}", org=ORG, kept=Sentence("data kept"), entries=2, hash="-")  # fmt: skip
    await audit_log.record(redis, LAN, "remove_shop", org=ORG, summary=kept)

    [row] = await audit_log.list_entries(redis, ORG)

    assert row.entry.summary == f"shop {ORG}: data kept, its audit log had 2 entries up to -"
    assert (
        row.entry.sentence.text(translator_for("vi"))
        == f"cửa hàng {ORG}: giữ dữ liệu, nhật ký có 2 mục, đến -"
    )


async def test_a_full_store_still_records(redis: RedisClient) -> None:
    await record(redis, "1")
    await redis.config_set("maxmemory", "1mb")
    try:
        await record(redis, "2")
    finally:
        await redis.config_set("maxmemory", "0")

    assert [row.entry.action for row in await audit_log.list_entries(redis, ORG)] == ["2", "1"]


async def test_entries_are_found_by_author_action_and_time(redis: RedisClient) -> None:
    await record(redis, "pause", "resume")
    await next_millisecond(redis)
    await audit_log.record(redis, shell_user("root"), "pause", org=ORG, summary=Sentence("work paused"))
    third = (await audit_log.list_entries(redis, ORG, limit=1))[0].entry.at_ms
    await next_millisecond(redis)
    await record(redis, "pause")

    assert await found(redis, AuditFilter(by="Lan")) == [4, 2, 1]
    assert await found(redis, AuditFilter(action="pause")) == [4, 3, 1]
    assert await found(redis, AuditFilter(by="root", action="resume")) == []
    assert await found(redis, AuditFilter(since_ms=third)) == [4, 3]
    assert await found(redis, AuditFilter(until_ms=third)) == [2, 1]
    assert await found(redis, AuditFilter(since_ms=third, until_ms=third + 1)) == [3]


async def test_a_filtered_log_is_read_page_by_page(
    redis: RedisClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_log, "PAGE_SIZE", 2)
    await record(redis, *["pause", "resume"] * 4)
    wanted = AuditFilter(action="pause")

    assert await found(redis, wanted, limit=3) == [7, 5, 3]
    assert await found(redis, wanted, limit=3, before=3) == [1]


async def test_the_log_of_the_service_is_searched_by_shop(redis: RedisClient) -> None:
    for org in (ORG, OTHER):
        await audit_log.record(redis, LAN, "add_shop", summary=Sentence("shop {org}", org=org))
    await audit_log.record(redis, LAN, "add_token", summary=Sentence("token {name}", name="a"))

    assert await found(redis, AuditFilter(shop=OTHER), SERVICE) == [2]
