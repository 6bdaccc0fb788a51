"""`tagger backfill|reconcile`."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from service.domain.customers import OrgId
from service.domain.customers.customer import Customer
from service.store.client import RedisClient, keys
from service.store.history import audit_log
from tests.deploy.cli.environment import (
    DEMO_RULES,
    ORG,
    VIP,
    CliEnvironment,
    store_customers,
)
from tests.support.store import all_keys

pytestmark = pytest.mark.usefixtures("vietnamese")


async def test_a_backfill_scans_all_customers_and_queues_those_with_wrong_tags(
    shop: CliEnvironment, redis: RedisClient
) -> None:
    rich = shop.haravan.create(first_name="Ánh", total_spent=20_000_000)
    await shop.tagger("rules", "publish", ORG, DEMO_RULES)

    result = await shop.tagger("backfill", ORG, "--json")

    assert result.code == 0, result.err
    assert await redis.exists(keys.shop(ORG, f"mark:{rich}"))
    marked = len(await all_keys(redis, keys.shop(ORG, "mark:*")))
    assert json.loads(result.out)["remaining"] == marked
    assert marked + await redis.hlen(keys.shop(ORG, "snapshots")) == 21
    assert shop.haravan.calls.count("GET customers") == 2  # one page, and the empty one that ends the walk


async def test_a_backfill_applies_when_gone_of_deleted_rules(
    shop: CliEnvironment, redis: RedisClient, tmp_path: Path
) -> None:
    leaving = tmp_path / "leaving.yaml"
    leaving.write_text(
        (VIP % 10_000_000).replace("tag: VIP", "tag: VIP, when_gone: remove"), encoding="utf-8"
    )
    empty = tmp_path / "empty.yaml"
    empty.write_text("version: 1\nrules: []\n", encoding="utf-8")
    await shop.tagger("rules", "publish", ORG, str(leaving))
    await shop.tagger("rules", "publish", ORG, str(empty), "--approve")
    customer = shop.haravan.create(total_spent=20_000_000, tags="VIP")
    await store_customers(redis, Customer(id=customer, tags=("VIP",)))
    await redis.delete(
        keys.shop(ORG, "snapshots")
    )  # or the backfill would evaluate the customer because of its snapshot

    await shop.tagger("backfill", ORG)

    assert await redis.hget(keys.shop(ORG, f"mark:{customer}"), "reasons") == b"backfill:B3"


async def test_a_reconcile_scans_only_changed_customers(shop: CliEnvironment, redis: RedisClient) -> None:
    rich = shop.haravan.create(first_name="Ánh", total_spent=20_000_000)
    await shop.tagger("rules", "publish", ORG, DEMO_RULES)

    result = await shop.tagger("reconcile", ORG, "--since", "1h")
    newest = (await audit_log.list_entries(redis, OrgId(ORG)))[0].entry

    assert result.code == 0, result.err
    assert re.fullmatch(r"customers changed since \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", newest.summary)
    assert await all_keys(redis, keys.shop(ORG, "mark:*")) == [keys.shop(ORG, f"mark:{rich}").encode()]


async def test_the_first_backfill_only_reads_and_waits_for_an_approval(
    new_shop: CliEnvironment, redis: RedisClient, tmp_path: Path
) -> None:
    everybody = tmp_path / "everybody.yaml"
    everybody.write_text(VIP % 0, encoding="utf-8")

    published = await new_shop.tagger("rules", "publish", ORG, str(everybody))
    early = await new_shop.tagger("shops", "approve", ORG)
    unread = await new_shop.tagger("doctor", ORG)
    walked = await new_shop.tagger("backfill", ORG)
    waiting = await new_shop.tagger("doctor", ORG)
    listed = await new_shop.tagger("shops", "list")
    everyone = await new_shop.tagger("replay", ORG, "--everybody")
    assert await all_keys(redis, keys.shop(ORG, "mark:*")) == []
    shown = await new_shop.tagger("shops", "approve", ORG, "--dry-run")
    approved = await new_shop.tagger("shops", "approve", ORG)

    assert (published.code, "Chưa ghi gì khác" in published.out) == (0, True)
    assert (early.code, "chưa xong" in early.err) == (1, True)
    assert f"tagger backfill {ORG}" in unread.out
    assert (walked.code, "Đã đọc hết khách hàng (20)" in walked.out) == (1, True)
    assert f"Cần duyệt trước khi thực hiện (tagger shops approve {ORG}): hơn 1 khách hàng" in walked.out
    assert f"tagger shops approve {ORG} --dry-run" in waiting.out
    assert "đang chờ duyệt" in listed.out
    assert (everyone.code, "đang chờ duyệt" in everyone.err) == (1, True)
    assert "Gắn 20 nhãn" in shown.out
    assert (approved.code, "còn 20 khách hàng" in approved.out) == (0, True)
    assert len(await all_keys(redis, keys.shop(ORG, "mark:*"))) == 20


async def test_the_first_backfill_goes_on_by_itself_within_the_guard(
    new_shop: CliEnvironment, redis: RedisClient, tmp_path: Path
) -> None:
    nobody = tmp_path / "nobody.yaml"
    nobody.write_text(VIP % 900_000_000_000, encoding="utf-8")
    await new_shop.tagger("rules", "publish", ORG, str(nobody))

    result = await new_shop.tagger("backfill", ORG)
    healthy = await new_shop.tagger("shops", "list")

    assert (result.code, "Lần xem đầu đã xong" in result.out) == (0, True), result
    assert "đang hoạt động" in healthy.out


async def test_the_first_backfill_needs_no_rules(new_shop: CliEnvironment) -> None:
    result = await new_shop.tagger("backfill", ORG)

    assert (result.code, f"tagger rules publish {ORG} FILE" in result.out) == (0, True), result


async def test_a_scan_without_rules_is_refused(shop: CliEnvironment) -> None:
    result = await shop.tagger("backfill", ORG)

    assert result.code == 1
    assert "chưa có quy tắc" in result.err
