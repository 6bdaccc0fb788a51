"""The pages of a scan: every customer once, and always an end."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from aiohttp import web

from deploy.sandbox import Sandbox, ShopHandle
from service.errors import ApiUnavailable
from tests.workers.haravan.conftest import Connect, FakeServer, RecordingPermits
from workers.haravan.client import Haravan
from workers.haravan.dialects import DialectName
from workers.scan import pages


async def scanned(
    haravan: Haravan, permits: RecordingPermits, updated_min: datetime | None = None
) -> list[int]:
    return [
        record.customer.id
        async for page in pages(haravan, permits, updated_min=updated_min)
        for record in page.parse().records
    ]


@pytest.mark.parametrize("name", ["omni", "admin"])
async def test_every_customer_is_read_once_and_only_an_empty_page_ends_the_scan(
    connect: Connect, shop: ShopHandle, permits: RecordingPermits, name: DialectName
) -> None:
    customers = shop.populate(120, seed=1)

    assert await scanned(connect(name), permits) == customers
    assert len(permits.requests) == 4


async def test_a_scan_reads_only_customers_that_changed_since(
    omni: Haravan, sandbox: Sandbox, shop: ShopHandle, permits: RecordingPermits
) -> None:
    customers = shop.populate(60, seed=1)
    sandbox.advance(3600)
    shop.edit(customers[7], note="Khách quen")
    since = datetime.fromtimestamp(sandbox.clock(), UTC) - timedelta(minutes=1)

    assert await scanned(omni, permits, updated_min=since) == [customers[7]]


async def test_an_unreadable_record_at_the_end_of_a_page_does_not_stop_the_scan(
    fake_server: FakeServer, permits: RecordingPermits
) -> None:
    def answer(request: web.Request, body: bytes) -> web.StreamResponse:
        following = {"0": [{"id": 1}, {"id": "no number"}], "1": [{"id": 3}]}
        return web.json_response({"customers": following.get(request.query["since_id"], [])})

    assert await scanned(fake_server(answer), permits) == [1, 3]


@pytest.mark.parametrize("customers", [[{"id": 5}], [None]], ids=["the-same-page-again", "without-ids"])
async def test_a_page_without_progress_ends_the_scan_with_an_error(
    fake_server: FakeServer, permits: RecordingPermits, customers: list[object]
) -> None:
    haravan = fake_server(lambda request, body: web.json_response({"customers": customers}))

    with pytest.raises(ApiUnavailable, match="returned no customer beyond"):
        await scanned(haravan, permits)

    assert len(permits.requests) <= 2
