"""What is known of a shop's webhook subscription at Haravan, and what was asked for last."""

from __future__ import annotations

from typing import Any, Final, Literal

import msgspec

from service.domain.customers import OrgId
from service.store.client import RedisClient, keys

SubscriptionAction = Literal["check", "subscribe", "unsubscribe"]
KEY: Final = "subscription"


class SubscribedTopic(msgspec.Struct, frozen=True):
    """One topic that Haravan delivers to an address."""

    topic: str
    url: str


class SubscriptionState(msgspec.Struct, frozen=True, kw_only=True):
    """`topics` None: never asked. `failure`: why the last request failed, "" if it did not."""

    topics: tuple[SubscribedTopic, ...] | None = None
    checked_ms: int = 0  # when Haravan last said so
    action: SubscriptionAction | None = None  # what a worker still has to do
    requested_ms: int = 0
    requested_by: str = ""
    failure: str = ""


async def load(redis: RedisClient, org: OrgId) -> SubscriptionState:
    """What is known."""
    stored = await redis.get(keys.shop(org, KEY))
    return SubscriptionState() if stored is None else _DECODE(stored)


def queue_save(pipe: Any, org: OrgId, state: SubscriptionState) -> None:
    """Add the command that saves what is known to a transaction."""
    pipe.set(keys.shop(org, KEY), _ENCODE(state))


_ENCODE: Final = msgspec.json.Encoder().encode
_DECODE: Final = msgspec.json.Decoder(SubscriptionState).decode
