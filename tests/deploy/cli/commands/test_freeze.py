"""`tagger shops freeze|unfreeze`."""

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

TODAY = datetime.now(ZoneInfo("Asia/Ho_Chi_Minh")).date()
LAST = TODAY + timedelta(days=3)


async def vietnamese(shop: CliEnvironment, *words: str) -> CommandResult:
    """The command, which prints Vietnamese."""
    return await shop.tagger("--lang", "vi", *words)


async def test_a_freeze_is_set_listed_previewed_and_ended(
    shop: CliEnvironment, redis: RedisClient, tmp_path: Path, rules: Path
) -> None:
    await vietnamese(shop, "rules", "publish", ORG, str(rules))
    await store_customers(redis, ABOVE, BELOW)

    frozen = await vietnamese(shop, "shops", "freeze", ORG, "--from", str(TODAY), "--to", str(LAST))
    published = await vietnamese(shop, "rules", "publish", ORG, str(write_rules(tmp_path, 9_000_000)))
    listed = await vietnamese(shop, "shops", "list")
    as_json = json.loads((await vietnamese(shop, "shops", "list", "--json")).out)
    looked = await vietnamese(shop, "shops", "unfreeze", ORG, "--dry-run")
    refused = await vietnamese(shop, "shops", "unfreeze", ORG)
    done = await vietnamese(shop, "shops", "unfreeze", ORG, "--approve")

    assert f"không đổi nhãn từ {TODAY:%d/%m/%Y} đến hết {LAST:%d/%m/%Y}" in frozen.out
    assert published.code == 0, published.out + published.err
    assert f"sau {LAST:%d/%m/%Y}" in published.out
    assert f"đóng băng nhãn đến hết {LAST:%d/%m/%Y}" in " ".join(listed.out.split())
    assert as_json[0]["freeze"]["state"] == "active"
    assert "gắn 1 nhãn" in looked.out.lower()
    assert refused.code == 1
    assert done.code == 0, done.err
    assert "hết đóng băng nhãn" in done.out


async def test_a_freeze_that_has_not_begun_is_cancelled(shop: CliEnvironment) -> None:
    await vietnamese(shop, "shops", "freeze", ORG, "--from", str(LAST), "--to", str(LAST))

    done = await vietnamese(shop, "shops", "unfreeze", ORG)
    again = await vietnamese(shop, "shops", "unfreeze", ORG)

    assert "Đã hủy đợt đóng băng" in done.out
    assert (again.code, "không đóng băng nhãn" in again.err) == (1, True)


async def test_wrong_days_are_refused(shop: CliEnvironment) -> None:
    reversed_ = await vietnamese(shop, "shops", "freeze", ORG, "--from", str(LAST), "--to", str(TODAY))
    no_day = await vietnamese(shop, "shops", "freeze", ORG, "--from", "mai", "--to", str(TODAY))

    assert (reversed_.code, "đứng trước ngày đầu" in reversed_.err) == (1, True)
    assert no_day.code == 2
