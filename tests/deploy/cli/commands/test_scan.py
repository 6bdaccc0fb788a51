"""`tagger backfill|reconcile`."""

from __future__ import annotations

import json
from pathlib import Path

from arq.connections import ArqRedis

from service.domain.customers.customer import Customer
from service.store.client import keys
from tests.deploy.cli.environment import (
    DEMO_RULES,
    ORG,
    VIP,
    CliEnvironment,
    store_customers,
)


async def test_a_backfill_scans_all_customers_and_queues_those_with_wrong_tags(
    shop: CliEnvironment, redis: ArqRedis
) -> None:
    rich = shop.haravan.create(first_name="Ánh", total_spent=20_000_000)
    await shop.tagger("rules", "publish", ORG, DEMO_RULES)

    result = await shop.tagger("backfill", ORG, "--json")

    assert result.code == 0, result.err
    assert await redis.exists(keys.shop(ORG, f"mark:{rich}"))
    marked = len(await redis.keys(keys.shop(ORG, "mark:*")))
    assert json.loads(result.out)["remaining"] == marked
    assert marked + await redis.hlen(keys.shop(ORG, "snapshots")) == 21
    assert shop.haravan.calls.count("GET customers") == 2  # one page, and the empty one that ends the walk


async def test_a_backfill_applies_when_gone_of_deleted_rules(
    shop: CliEnvironment, redis: ArqRedis, tmp_path: Path
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


async def test_a_reconcile_scans_only_changed_customers(shop: CliEnvironment, redis: ArqRedis) -> None:
    rich = shop.haravan.create(first_name="Ánh", total_spent=20_000_000)
    await shop.tagger("rules", "publish", ORG, DEMO_RULES)

    result = await shop.tagger("reconcile", ORG, "--since", "1h")

    assert result.code == 0, result.err
    assert await redis.keys(keys.shop(ORG, "mark:*")) == [keys.shop(ORG, f"mark:{rich}").encode()]


async def test_a_scan_without_rules_is_refused(shop: CliEnvironment) -> None:
    result = await shop.tagger("backfill", ORG)

    assert result.code == 1
    assert "no rules yet" in result.err
