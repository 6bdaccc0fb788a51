"""The first look at a shop: until its first walk is complete and approved, no walk and no publish writes tags."""

from __future__ import annotations

from typing import Any, Final, Literal

from service.domain.customers import OrgId
from service.store.client import RedisClient, keys

FirstLook = Literal["pending", "waiting", "complete"]
"""`pending`: not all customers have been read. `waiting`: they have, and the changes wait for a person's approval."""

FIRST_LOOK_KEY: Final = "first_look"


def decode_first_look(stored: bytes | None) -> FirstLook:
    """The state as it is stored. Nothing is stored for a new shop."""
    match stored:
        case b"waiting":
            return "waiting"
        case b"complete":
            return "complete"
    return "pending"


async def save_first_look(redis: RedisClient, org: OrgId, state: FirstLook) -> None:
    """Store the state, whatever it was: for a shop that nobody needs to ask about, such as the demo's."""
    await redis.set(keys.shop(org, FIRST_LOOK_KEY), state)


def queue_first_look(pipe: Any, org: OrgId, state: FirstLook) -> None:
    """Add the command that stores the state to a transaction."""
    pipe.set(keys.shop(org, FIRST_LOOK_KEY), state)
