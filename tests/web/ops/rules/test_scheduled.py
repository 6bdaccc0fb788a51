"""A scheduled publish over the ops API."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import msgspec

from service.store import scheduled
from service.store.client import RedisClient, keys
from tests.support.shop import ORG
from tests.web.ops.conftest import API, HIGH, LOW, audit_entries, execute_jobs, get, post

LATER = datetime.now(UTC) + timedelta(hours=1)


async def schedule(ops: httpx2.AsyncClient, **more: Any) -> dict[str, Any]:
    answer: dict[str, Any] = await post(
        ops, "rules/scheduled", **{"rules": LOW, "at": LATER.isoformat(), "approve": True, **more}
    )
    return answer


async def test_rules_are_scheduled_shown_moved_and_cancelled(
    redis: RedisClient, rules_ops: httpx2.AsyncClient
) -> None:
    nothing = await get(rules_ops, "rules/scheduled")
    made = (await schedule(rules_ops, note="Từ mùng 1"))["scheduled"]
    found = await get(rules_ops, "rules/scheduled")
    at = LATER + timedelta(hours=2)
    moved = await post(rules_ops, "rules/scheduled/move", at=at.isoformat())
    cancelled = await rules_ops.delete(f"{API}/rules/scheduled")
    again = await rules_ops.delete(f"{API}/rules/scheduled")

    assert nothing == {"scheduled": None}
    assert (made["by"], made["note"], made["parent"], made["stop"]) == ("an", "Từ mùng 1", 1, None)
    assert (made["preview"]["added"], made["is_approved"]) == (1, True)
    assert found["scheduled"] == made
    assert moved["scheduled"]["at_ms"] == int(at.timestamp() * 1000)
    assert cancelled.json()["scheduled"] == moved["scheduled"]
    assert again.status_code == 404
    assert [action for _, action in await audit_entries(redis)][:3] == [
        "unschedule",
        "reschedule",
        "schedule",
    ]


async def test_what_cannot_be_scheduled_is_refused(rules_ops: httpx2.AsyncClient) -> None:
    past = await post(
        rules_ops, "rules/scheduled", rules=LOW, at="2020-01-01T00:00:00Z", approve=True, status=409
    )
    large = await post(rules_ops, "rules/scheduled", rules=LOW, at=LATER.isoformat(), status=409)
    older = await post(
        rules_ops,
        "rules/scheduled",
        rules=LOW,
        at=LATER.isoformat(),
        approve=True,
        if_match='"v0"',
        status=412,
    )
    await schedule(rules_ops)
    second = await post(
        rules_ops, "rules/scheduled", rules=LOW, at=LATER.isoformat(), approve=True, status=409
    )
    replaced = await schedule(rules_ops, rules=HIGH, replace=True)

    assert "is over already" in past["detail"]
    assert large["approval"]["touched"] == 1
    assert 'you began from "v0"' in older["detail"]
    assert "has a scheduled publish already" in second["detail"]
    assert replaced["scheduled"]["content"]


async def test_a_stop_is_shown_by_the_api_and_the_doctor_and_then_published(
    redis: RedisClient, rules_ops: httpx2.AsyncClient
) -> None:
    await schedule(rules_ops)
    await post(rules_ops, "rules/publish", rules=LOW.replace("VIP", "V"), approve=True)
    entry = await scheduled.load(redis, ORG)
    assert entry is not None
    async with redis.pipeline() as pipe:
        scheduled.queue_save(pipe, ORG, msgspec.structs.replace(entry, at_ms=1))
        await pipe.execute()
    await execute_jobs(redis)

    stopped = (await get(rules_ops, "rules/scheduled"))["scheduled"]["stop"]
    findings = [each["key"] for each in (await get(rules_ops, "doctor"))["findings"]]
    looked = await post(rules_ops, "rules/scheduled/publish", dry_run=True)
    done = await post(rules_ops, "rules/scheduled/publish", approve=True)

    assert (stopped["reason"], stopped["live"]) == ("conflict", 2)
    assert "scheduled_publish_stopped" in findings
    assert (looked["preview"]["parent"], looked["published"]) == (2, None)
    assert done["published"]["version"]["number"] == 3
    assert not await redis.exists(keys.shop(ORG, "scheduled_publish"))
