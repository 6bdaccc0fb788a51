"""`tagger explain`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from service.domain.customers.customer import CustomerId
from service.store.client import RedisClient
from tests.deploy.cli.environment import (
    BELOW,
    ORG,
    CliEnvironment,
    store_customers,
)

pytestmark = pytest.mark.usefixtures("vietnamese")


async def test_an_explanation_says_what_is_missing_in_both_languages_and_as_json(
    shop: CliEnvironment, redis: RedisClient, rules: Path
) -> None:
    await shop.tagger("rules", "publish", ORG, str(rules))
    await store_customers(redis, BELOW)

    vi = await shop.tagger("explain", ORG, "2", "--tag", "vip")
    en = await shop.tagger("explain", ORG, "2", "--lang", "en", "--on", "2026-12-01")
    as_json = await shop.tagger("explain", ORG, "2", "--version", "1", "--json")
    unknown = await shop.tagger("explain", ORG, str(CustomerId(99)))

    assert "✘ Tổng chi tiêu từ 10.000.000 ₫ trở lên (đang là 9.660.000 ₫, còn thiếu 340.000 ₫)" in vi.out
    assert "as of 1 Dec 2026" in en.out
    assert json.loads(as_json.out)["rules"][0]["when"]["matched"] is False
    assert (unknown.code, "chưa được xét lần nào" in unknown.err) == (1, True)
