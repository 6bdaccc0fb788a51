"""The pages of a scan: every customer once, and an end in any case."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from aiohttp import web

from deploy.sandbox import Sandbox, ShopHandle
from service.errors import ApiUnavailable
from tests.workers.haravan.conftest import Connect, Odd, OpenGate
from workers.haravan.client import Haravan
from workers.haravan.dialects import DialectName
from workers.scan import pages


async def scanned(haravan: Haravan, permits: OpenGate, updated_min: datetime | None = None) -> list[int]:
    return [
        record.customer.id
        async for page in pages(haravan, permits, updated_min=updated_min)
        for record in page.records
    ]


@pytest.mark.parametrize("name", ["omni", "admin"])
async def test_every_customer_is_seen_once_and_only_an_empty_page_ends_the_scan(
    connect: Connect, shop: ShopHandle, permits: OpenGate, name: DialectName
) -> None:
    everybody = shop.populate(120, seed=1)

    assert await scanned(connect(name), permits) == everybody
    assert len(permits.asked) == 4


async def test_a_scan_sees_only_customers_that_changed_since(
    omni: Haravan, sandbox: Sandbox, shop: ShopHandle, permits: OpenGate
) -> None:
    everybody = shop.populate(60, seed=1)
    sandbox.advance(3600)
    shop.edit(everybody[7], note="Khách quen")
    since = datetime.fromtimestamp(sandbox.clock(), UTC) - timedelta(minutes=1)

    assert await scanned(omni, permits, updated_min=since) == [everybody[7]]


async def test_an_unreadable_record_at_the_end_of_a_page_does_not_stop_the_scan(
    odd: Odd, permits: OpenGate
) -> None:
    def answer(request: web.Request, body: bytes) -> web.StreamResponse:
        following = {"0": [{"id": 1}, {"id": 2, "tags": 3}], "2": [{"id": 3}]}
        return web.json_response({"customers": following.get(request.query["since_id"], [])})

    assert await scanned(odd(answer), permits) == [1, 3]


@pytest.mark.parametrize(
    "customers", [[{"id": 5}], [None]], ids=["the-same-page-again", "nobody-can-tell-who"]
)
async def test_a_page_without_progress_ends_the_scan_with_an_error(
    odd: Odd, permits: OpenGate, customers: list[object]
) -> None:
    haravan = odd(lambda request, body: web.json_response({"customers": customers}))

    with pytest.raises(ApiUnavailable, match="returned no customer beyond"):
        await scanned(haravan, permits)

    assert len(permits.asked) <= 2
