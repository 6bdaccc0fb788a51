"""`tagger rules schedule|scheduled|reschedule|unschedule|publish-scheduled`."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from service.store.client import RedisClient
from tests.deploy.cli.environment import (
    ABOVE,
    BELOW,
    ORG,
    CliEnvironment,
    CommandResult,
    store_customers,
    write_rules,
)

DAY = datetime.now(ZoneInfo("Asia/Ho_Chi_Minh")).date() + timedelta(days=2)


async def vietnamese(shop: CliEnvironment, *words: str) -> CommandResult:
    """The command, which prints Vietnamese."""
    return await shop.tagger("--lang", "vi", *words)


async def test_rules_are_scheduled_listed_moved_and_cancelled(
    shop: CliEnvironment, redis: RedisClient, rules: Path
) -> None:
    empty = await vietnamese(shop, "rules", "scheduled")
    made = await vietnamese(
        shop, "rules", "schedule", ORG, str(rules), "--at", f"{DAY} 08:00", "--note", "Tết"
    )
    listed = await vietnamese(shop, "rules", "scheduled", ORG)
    moved = await vietnamese(shop, "rules", "reschedule", ORG, "--at", f"{DAY} 21:15")
    as_json = json.loads((await vietnamese(shop, "rules", "scheduled", "--json")).out)
    cancelled = await vietnamese(shop, "rules", "unschedule", ORG)
    again = await vietnamese(shop, "rules", "unschedule", ORG)

    assert "Không có lịch xuất bản nào." in empty.out
    assert made.code == 0, made.err
    assert f"Sẽ xuất bản lúc {DAY:%d/%m/%Y} 08:00" in made.out
    assert "chờ đến giờ" in listed.out
    assert "Tết" in listed.out
    assert f"{DAY:%d/%m/%Y} 21:15" in moved.out
    assert [(row["org"], row["note"], row["stop"]) for row in as_json] == [(ORG, "Tết", None)]
    assert f"{DAY:%d/%m/%Y} 21:15" in cancelled.out
    assert (again.code, "không có lịch xuất bản" in again.err) == (1, True)


async def test_a_large_change_needs_an_approval_when_it_is_scheduled_and_is_published_at_once(
    shop: CliEnvironment, redis: RedisClient, tmp_path: Path, rules: Path
) -> None:
    await vietnamese(shop, "rules", "publish", ORG, str(rules))
    await store_customers(redis, ABOVE, BELOW)
    lower = str(write_rules(tmp_path, 9_000_000))

    refused = await vietnamese(shop, "rules", "schedule", ORG, lower, "--at", f"{DAY} 08:00")
    await vietnamese(shop, "rules", "schedule", ORG, lower, "--at", f"{DAY} 08:00", "--approve")
    looked = await vietnamese(shop, "rules", "publish-scheduled", ORG, "--dry-run")
    unapproved = await vietnamese(shop, "rules", "publish-scheduled", ORG)
    done = await vietnamese(shop, "rules", "publish-scheduled", ORG, "--approve")

    assert refused.code == 1
    assert "Cần duyệt trước khi thực hiện (--approve)" in refused.out
    assert "gắn 1 nhãn" in looked.out.lower()
    assert unapproved.code == 1
    assert done.code == 0, done.err
    assert "Không có lịch" in (await vietnamese(shop, "rules", "scheduled")).out


async def test_a_time_that_is_none_is_wrong_usage(shop: CliEnvironment, rules: Path) -> None:
    words = [
        await vietnamese(shop, "rules", "schedule", ORG, str(rules), "--at", at)
        for at in ("ngày mai", "2027-01-25T08:00+07:00")
    ]

    assert [(result.code, "'2027-01-25 08:00'" in result.err) for result in words] == [(2, True), (2, True)]
