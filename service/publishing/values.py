"""What the known customers of a shop have: the values that a person can put into rules."""

from __future__ import annotations

from arq.connections import ArqRedis

from service.domain.customers import Customer, OrgId, decode_snapshot
from service.errors import MalformedData
from service.store.client import keys, scan_hash


async def load_customers(redis: ArqRedis, org: OrgId) -> list[Customer]:
    """All customers with a readable snapshot: about a second for 100,000."""
    customers: dict[bytes, Customer] = {}  # a scan may return a customer twice
    async for page in scan_hash(redis, keys.shop(org, "snapshots")):
        for name, snapshot in page.items():
            try:
                customers[name] = decode_snapshot(snapshot)
            except MalformedData:
                continue  # the next reading of the customer replaces it
    return [*customers.values()]
