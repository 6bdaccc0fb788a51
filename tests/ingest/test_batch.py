"""What each request of a batch gets."""

from __future__ import annotations

import asyncio

from service.domain.customers.customer import OrgId
from service.errors import StoreUnavailable
from service.ingest.batch import ShopBatch
from service.store.queue.dirty import DirtyEvent


async def test_every_request_gets_the_result_whatever_became_of_the_others() -> None:
    loop = asyncio.get_running_loop()
    batch, error = ShopBatch(OrgId("1"), loop.time()), StoreUnavailable("no")
    cancelled, waits, asks_later = (batch.add(DirtyEvent("7"), "t", loop) for _ in range(3))
    waiting = asyncio.ensure_future(_result(waits))
    cancelled.cancel()

    batch.settle(error)

    assert batch.is_settled
    assert await waiting is error
    assert await asks_later is error
    assert cancelled.cancelled()


async def _result(acknowledgement: asyncio.Future[StoreUnavailable | None]) -> StoreUnavailable | None:
    return await acknowledgement
