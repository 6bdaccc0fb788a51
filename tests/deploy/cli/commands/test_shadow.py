"""`tagger shops shadow|live`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from service.store.client import RedisClient, keys
from tests.deploy.cli.environment import (
    ABOVE,
    BELOW,
    ORG,
    CliEnvironment,
    store_customers,
    write_rules,
)

pytestmark = pytest.mark.usefixtures("vietnamese")


async def test_shadow_mode_is_turned_on_previewed_and_turned_off_with_an_approval(
    shop: CliEnvironment, redis: RedisClient, tmp_path: Path, rules: Path
) -> None:
    await shop.tagger("rules", "publish", ORG, str(rules))
    await store_customers(redis, ABOVE, BELOW)
    begun = await shop.tagger("shops", "shadow", ORG)
    again = await shop.tagger("shops", "shadow", ORG)
    published = await shop.tagger("rules", "publish", ORG, str(write_rules(tmp_path, 9_000_000)), "--approve")
    await redis.delete(keys.shop(ORG, "mark:2"))  # the drain has decided, and written nothing

    previewed = await shop.tagger("shops", "live", ORG, "--dry-run")
    english = await shop.tagger("shops", "live", ORG, "--dry-run", "--lang", "en")
    refused = await shop.tagger("shops", "live", ORG)
    listed = json.loads((await shop.tagger("shops", "list", "--json")).out)
    done = await shop.tagger("shops", "live", ORG, "--approve")

    assert f"tagger shops live {ORG} --dry-run" in begun.out
    assert "đã ở chế độ chạy thử từ trước" in again.out
    assert "không gắn nhãn" in published.err
    assert "gắn 1 nhãn" in previewed.out.lower()
    assert "chế độ chạy thử" in previewed.out
    assert "no tag is written until it is turned off" in english.out
    assert refused.code == 1
    assert "Cần duyệt trước khi thực hiện (--approve): hơn 0 khách hàng thay đổi" in refused.out
    assert [row["shadow"] for row in listed] == [True]
    assert done.code == 0, done.err
    assert "đã tắt chế độ chạy thử" in done.out
    assert "còn 1 khách hàng" in done.out
    assert await redis.exists(keys.shop(ORG, "mark:2"))


async def test_without_rules_the_end_of_shadow_mode_names_the_next_command(shop: CliEnvironment) -> None:
    await shop.tagger("shops", "shadow", ORG)

    done = await shop.tagger("shops", "live", ORG)
    again = await shop.tagger("shops", "live", ORG)

    assert f"tagger rules publish {ORG}" in done.out
    assert (again.code, again.out) == (1, "")
    assert "không ở chế độ chạy thử" in again.err
