"""A freeze over the ops API: set, shown everywhere, previewed and ended."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import httpx2

from service.store.client import RedisClient, keys
from tests.support.shop import ORG
from tests.web.ops.conftest import API, LOW, audit_entries, get, post

TODAY = datetime.now(ZoneInfo("Asia/Ho_Chi_Minh")).date()
LAST = TODAY + timedelta(days=3)


async def freeze(ops: httpx2.AsyncClient) -> None:
    await post(ops, "freeze", first=TODAY.isoformat(), last=LAST.isoformat())


async def test_a_freeze_is_shown_by_shop_doctor_and_explanation(rules_ops: httpx2.AsyncClient) -> None:
    await freeze(rules_ops)
    await post(rules_ops, "rules/publish", rules=LOW)  # the guard looks when the freeze ends

    shop = (await rules_ops.get(API)).json()
    findings = {each["key"]: each for each in (await get(rules_ops, "doctor", lang="vi"))["findings"]}
    explained = await get(rules_ops, "customers/2", lang="vi")

    assert shop["freeze"] == {
        "first": TODAY.isoformat(),
        "last": LAST.isoformat(),
        "by": "an",
        "state": "active",
    }
    assert findings["frozen"]["severity"] == "ok"
    assert f"{LAST:%d/%m/%Y}" in findings["frozen"]["text"]
    assert "frozen" in explained["obstacles"]


async def test_the_end_of_a_freeze_is_previewed_and_approved(
    redis: RedisClient, rules_ops: httpx2.AsyncClient
) -> None:
    await freeze(rules_ops)
    await post(rules_ops, "rules/publish", rules=LOW)

    looked = await post(rules_ops, "freeze/end", dry_run=True)
    refused = await post(rules_ops, "freeze/end", status=409)
    done = await post(rules_ops, "freeze/end", approve=True)
    again = await post(rules_ops, "freeze/end", status=409)

    assert (looked["preview"]["added"], looked["run"]) == (1, None)
    assert refused["approval"]["touched"] == 1
    assert done["run"]["reason"] == "freeze ended"
    assert "is not frozen" in again["detail"]
    assert not await redis.exists(keys.shop(ORG, "freeze"))
    assert [action for _, action in await audit_entries(redis)][:2] == ["end_freeze", "publish"]


async def test_a_freeze_that_has_not_begun_is_cancelled(rules_ops: httpx2.AsyncClient) -> None:
    await post(rules_ops, "freeze", first=LAST.isoformat(), last=LAST.isoformat())
    early = await post(rules_ops, "freeze/end", dry_run=True, status=409)

    done = await post(rules_ops, "freeze/end")

    assert "has not begun" in early["detail"]
    assert done == {"preview": None, "run": None}
    assert (await rules_ops.get(API)).json()["freeze"] is None
