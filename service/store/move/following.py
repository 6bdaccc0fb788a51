"""A process that works with a store whose data has moved uses the new store from then on."""

from __future__ import annotations

import asyncio
import time
from typing import Final

import structlog

from service.store.client import Store, connect
from service.store.encryption import KeyRing
from service.store.move.marks import has_arrived, load_departure, open_arrived

WAIT_S: Final = 2.0  # for the end of the move; then the caller may look again
POLL_S: Final = 0.05


async def follow(store: Store, keyring: KeyRing, *, wait_s: float = WAIT_S) -> bool:
    """Use the store to which the data was moved. False: the data stays, or the move is not complete yet.

    Raises redis' errors.
    """
    departure = await load_departure(store, keyring)
    if departure is None or not departure.url:
        return False
    async with connect(departure.url) as target:
        deadline_s = time.monotonic() + wait_s
        while not await has_arrived(target, departure.token):
            if time.monotonic() > deadline_s:
                return False
            await asyncio.sleep(POLL_S)
        await open_arrived(target)
    await store.follow(departure.url)
    structlog.get_logger().warning("store_check", outcome="moved")
    return True
