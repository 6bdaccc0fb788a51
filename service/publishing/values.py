"""What the known customers of a shop have: the values that a person can put into rules."""

from __future__ import annotations

from service.domain.customers import Customer
from service.domain.rules import Field
from service.errors import MalformedData
from service.store.client import RedisClient, keys, scan_hash
from service.store.customers import PERSONAL_KEYS, kept_fields, read_snapshot
from service.store.shops import Shop


async def load_customers(redis: RedisClient, shop: Shop, *, field: Field | None = None) -> list[Customer]:
    """All customers with a readable snapshot: about a second for 100,000.

    Personal data stays sealed, unless `field` is personal: then the customers are those whose snapshot keeps it.
    """
    opened = field is not None and bool(field.record_keys & PERSONAL_KEYS)
    needed = kept_fields(field.record_keys) if field is not None else frozenset[str]()
    customers: dict[bytes, Customer] = {}  # a scan may return a customer twice
    async for page in scan_hash(redis, keys.shop(shop.org, "snapshots")):
        for name, stored in page.items():
            try:
                snapshot = read_snapshot(stored)
                if needed <= snapshot.kept:
                    customers[name] = snapshot.open(shop.cipher) if opened else snapshot.facts
            except MalformedData:
                continue  # the next reading of the customer replaces it
    return [*customers.values()]
