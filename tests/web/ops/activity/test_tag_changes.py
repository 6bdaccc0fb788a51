"""What the service added and removed is listed newest first, by every filter, and page by page."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest

from service.store.client import RedisClient
from service.store.history import ledger
from tests.support.history import add_entry
from tests.web.ops.conftest import API, get

START_MS = 1_700_000_000_000


@pytest.fixture
async def ids(ops: httpx2.AsyncClient, redis: RedisClient) -> list[str]:
    """Five changes, a second apart; the oldest first."""
    rows: list[tuple[int, str, dict[str, Any]]] = [
        (7, "+VIP", {"cause": "publish:42"}),
        (8, "+Bạc", {"rule": "hang"}),
        (7, "-vip", {}),
        (8, "-Bạc", {"rule": "hang", "cause": "publish:43"}),
        (9, "+VIP", {"written": False}),
    ]
    return [
        await add_entry(redis, customer, change, at_ms=START_MS + 1_000 * number, **more)
        for number, (customer, change, more) in enumerate(rows)
    ]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({}, [4, 3, 2, 1, 0]),
        ({"customer": "7"}, [2, 0]),
        ({"customer": "7", "action": "removed"}, [2]),
        ({"tag": "VIP"}, [4, 2, 0]),
        ({"rule": "hang"}, [3, 1]),
        ({"action": "added"}, [4, 1, 0]),
        ({"cause": "publish"}, [3, 0]),
        ({"since": "2023-11-14T22:13:22Z", "until": "2023-11-14T22:13:23Z"}, [2]),
        ({"tag": "Vàng"}, []),
    ],
)
async def test_changes_are_found_by_each_filter_in_pages_of_any_size(
    ops: httpx2.AsyncClient, ids: list[str], query: dict[str, str], found: list[int]
) -> None:
    for limit in ("1", "2", "100"):
        listed: list[str] = []
        asked = query | {"limit": limit}
        while True:
            page = (await ops.get(f"{API}/tag-changes", params=asked)).json()
            listed += [change["id"] for change in page["changes"]]
            if page["next"] is None:
                break
            asked["cursor"] = page["next"]

        assert listed == [ids[number] for number in found]


async def test_a_change_says_what_made_it(ops: httpx2.AsyncClient, ids: list[str]) -> None:
    newest, *_, oldest = (await get(ops, "tag-changes"))["changes"]

    assert oldest == {
        "id": ids[0],
        "at_ms": START_MS,
        "customer": 7,
        "action": "added",
        "tag": "VIP",
        "rule": "vip",
        "version": 1,
        "cause": "publish:42",
        "written": True,
    }
    assert (newest["customer"], newest["written"]) == (9, False)


async def test_a_filter_that_matches_little_goes_on_after_a_bounded_number_of_entries(
    ops: httpx2.AsyncClient, ids: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger, "PAGE_SIZE", 1)
    monkeypatch.setattr(ledger, "MAX_SCANNED", 2)

    first = await get(ops, "tag-changes", cause="publish", tag="VIP")
    second = await get(ops, "tag-changes", cause="publish", tag="VIP", cursor=first["next"])
    third = await get(ops, "tag-changes", cause="publish", tag="VIP", cursor=second["next"])

    assert (first["changes"], second["changes"]) == ([], [])
    assert [change["id"] for change in third["changes"]] == [ids[0]]
