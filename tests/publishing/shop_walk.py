"""A walk over the customers of the stage's shop, as `tagger backfill` makes it."""

from __future__ import annotations

from service.store.jobs import Run
from tests.workers.stage import ORG, Stage
from workers.haravan.client import Haravan
from workers.haravan.rate_limit import WaitingPermits
from workers.scan import CustomerScan, build_scan


async def walk(stage: Stage) -> Run:
    """Read all customers."""
    return await (await make_scan(stage))("backfill", by="test")


async def make_scan(stage: Stage) -> CustomerScan:
    """A scan of the stage's shop."""
    shop = await stage.shops.get_or_raise(ORG)
    scan = await build_scan(
        stage.context,
        shop,
        Haravan.for_shop(shop, stage.drain.session),
        permits=WaitingPermits(stage.drain.leases.rate_limiter, ORG, lane="bulk"),
        rules_cache=stage.drain.rules_cache,
    )
    assert scan is not None
    return scan
