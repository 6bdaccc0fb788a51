"""Versions of the rules over the ops API: shown, listed, compared."""

from __future__ import annotations

import httpx2

from tests.support.shop import ORG
from tests.web.ops.conftest import API, LOW, get, post


async def test_versions_are_shown_and_compared_in_sentences_and_as_yaml(
    rules_ops: httpx2.AsyncClient,
) -> None:
    await post(rules_ops, "rules/publish", rules=LOW, approve=True)

    live, first = await get(rules_ops, "rules"), await get(rules_ops, "rules?version=1")
    vi, en = await get(rules_ops, "rules/diff"), await get(rules_ops, "rules/diff?from=2&to=1&lang=en")

    assert (live["version"]["number"], first["version"]["number"]) == (2, 1)
    assert live["rules"]["rules"][0]["id"] == "vip"
    assert "tag: VIP" in first["yaml"]
    assert (vi["from"], vi["to"], en["from"], en["to"]) == (1, 2, 2, 1)
    assert vi["text"][0] == "~ Khách VIP (đã sửa)"
    assert {"sign": "+", "text": "Tổng chi tiêu từ 9.000.000 ₫ trở lên"} in vi["rules"][0]["lines"]
    assert {"sign": "+", "text": "Total spent is at least ₫10,000,000"} in en["rules"][0]["lines"]
    assert vi["yaml"].startswith("--- v1\n+++ v2\n")


async def test_a_shop_without_rules_or_with_one_version_has_nothing_to_show(
    rules_ops: httpx2.AsyncClient,
) -> None:
    await get(rules_ops, "rules/diff", status=404)
    await get(rules_ops, "rules?version=9", status=404)
    other = await rules_ops.get(f"{API.replace(ORG, '1000000002')}/rules")

    assert other.status_code == 404
