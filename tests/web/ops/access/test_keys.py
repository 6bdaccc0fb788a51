"""The keys of SECRET_KEY over the ops API: named by fingerprints, and rotated."""

from __future__ import annotations

import httpx2

from tests.support.shop import KEY


async def test_keys_are_shown_by_fingerprint_and_rotated(ops: httpx2.AsyncClient) -> None:
    shown = await ops.get("/ops/v1/keys")
    rotated = await ops.post("/ops/v1/keys/rotate")

    [key] = shown.json()["keys"]
    assert (key["position"], shown.json()["left"], shown.json()["unreadable"]) == (1, 0, [])
    assert rotated.json() == shown.json()
    assert KEY not in shown.text
