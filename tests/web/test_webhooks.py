"""What each kind of webhook is answered, and what it leaves in the store."""

from __future__ import annotations

import json

from arq.connections import ArqRedis

from service.domain.customers import OrgId
from service.store import keys
from service.store.deliveries import Delivery, by_time
from tests.web.conftest import ORG, Sender

CUSTOMER = json.dumps({"id": 7, "first_name": "Ánh", "updated_at": "2026-03-01T00:00:00Z"}).encode()
P = keys.shop(ORG)


async def recorded(redis: ArqRedis, org: str = ORG) -> list[Delivery]:
    """The shop's deliveries, oldest first."""
    return list(reversed((await by_time(redis, OrgId(org))).deliveries))


async def test_a_signed_webhook_is_recorded_marked_and_wakes_its_shop(
    redis: ArqRedis, sender: Sender
) -> None:
    answer = await sender.deliver(CUSTOMER)

    assert answer.status_code == 200
    assert await redis.zrange(P + "live", 0, -1) == [b"7"]
    assert await redis.hget(P + "mark:7", "upd") == b"1772323200000"
    [delivery] = await recorded(redis)
    assert (delivery.customer, delivery.outcome, delivery.topic) == (7, "marked", "customers/update")
    assert (delivery.size, delivery.repeat) == (len(CUSTOMER), False)
