"""Walking through all customers of a shop, page by page, by id."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime

from service.errors import Unavailable
from workers.haravan.client import Haravan
from workers.haravan.pacer import Permits
from workers.haravan.records import Batch


async def pages(
    shop: Haravan, permits: Permits, *, since_id: int = 0, updated_min: datetime | None = None
) -> AsyncIterator[Batch]:
    """Every page after `since_id`, until one is empty: a short page is not the last (haravan.md, API).

    Resume with the largest id of the last page seen. Raises Unavailable when a page does not lead further,
    which would be walked for ever.
    """
    while batch := await shop.perform(shop.dialect.page(since_id, updated_min=updated_min), permits):
        last = max(batch.ids, default=0)
        if last <= since_id:
            raise Unavailable(
                "GET customers gave a page that does not lead beyond the one before", status=200
            )
        yield batch
        since_id = last
