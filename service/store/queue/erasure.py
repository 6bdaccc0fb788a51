"""Erasure of a customer: its mark, and everything that is stored by customer."""

from __future__ import annotations

from service.domain.customers import CustomerId, OrgId
from service.store.client import RedisClient, load_script


async def erase_customer(redis: RedisClient, org: OrgId, customer: CustomerId) -> int:
    """Erase what is stored of the customer, in one step, with the ledger entries of its index; returns their number.

    Other entries of streams are deleted elsewhere. A run that waits for the customer counts it as done. Work that read
    something of the customer before saves nothing of it: a drain, a scan, a claim, a rollout.
    """
    return int(await load_script("queue", "erase_customer")(redis, org, str(customer)))
