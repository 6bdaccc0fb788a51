"""Scans over the ops API: the answer is a run, which a worker carries out."""

from __future__ import annotations

import httpx2

from tests.web.ops.conftest import get, post


async def test_a_scan_is_a_run_that_a_worker_carries_out(rules_ops: httpx2.AsyncClient) -> None:
    asked = await post(rules_ops, "reconcile", since="2026-11-22T08:00:00+07:00")
    second = await post(rules_ops, "backfill", status=409)
    [entry, *_] = (await get(rules_ops, "audit"))["entries"]

    assert asked["pending"]
    assert await get(rules_ops, f"runs/{asked['id']}") == asked
    assert (await get(rules_ops, "runs", limit="1"))["runs"] == [asked]
    assert asked["id"] in second["detail"]
    assert entry["action"] in ("reconcile", "backfill")
