"""Whether a worker process lives, so that nobody waits for the lease of one that was killed.

The process subscribes to a channel of its own. The server ends the subscription with the connection, also after kill -9,
and the scripts of the lease ask the server whether anybody is subscribed.
"""

from __future__ import annotations

import asyncio
import secrets
from typing import Final

from redis.exceptions import NoPermissionError

from service.store.client import RedisClient

MESSAGE_TIMEOUT_S: Final = 2.0


class Liveness:
    """The subscription of one process. `channel` names the process in its leases."""

    def __init__(self, redis: RedisClient) -> None:
        self._redis = redis
        self._announced = asyncio.Event()
        self.channel = f"tagger:process:{secrets.token_hex(8)}"

    async def announce(self) -> None:
        """Stay subscribed until the connection is lost or the task is cancelled. Raises redis' errors.

        Returns at once if the user may not subscribe: then the leases of this process end with their time alone.
        """
        try:
            async with self._redis.pubsub() as subscription:
                await subscription.subscribe(self.channel)
                while (
                    True
                ):  # nobody publishes; reading lets the client send and answer the checks of its connection
                    message = await subscription.get_message(timeout=MESSAGE_TIMEOUT_S)
                    if message is not None:
                        self._announced.set()
        except NoPermissionError:
            self._announced.set()

    async def wait_until_announced(self) -> None:
        """Wait until the first subscription is confirmed: earlier leases would end with their time alone."""
        await self._announced.wait()
