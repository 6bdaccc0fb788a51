"""Whether a worker process lives, so that nobody waits for the lease of one that was killed.

The process subscribes to a channel of its own, at each server. The server ends the subscription with the connection, also
after kill -9, and the scripts of the lease ask their server whether anybody is subscribed.
"""

from __future__ import annotations

import asyncio
import secrets
from typing import Final

from redis.exceptions import NoPermissionError

from service.runtime import cancel_and_wait
from service.store.client import Store
from service.store.servers import Endpoint, Server, pack_command

CHECK_INTERVAL_S: Final = 2.0  # of a silent connection
SERVERS_INTERVAL_S: Final = 1.0  # until a new server of a cluster gets its subscription
REPEAT_S: Final = 0.1  # before a lost subscription is made again


class Liveness:
    """The subscriptions of one process. `channel` names the process in its leases."""

    def __init__(self, redis: Store) -> None:
        self._redis = redis
        self._announced = asyncio.Event()
        self.channel = f"tagger:process:{secrets.token_hex(8)}"

    async def announce(self) -> None:
        """Stay subscribed until all subscriptions are lost or the task is cancelled. Raises redis' errors.

        A lost one does not end the others: to their servers the process would look dead. Returns at once if the user may
        not subscribe: then the leases of this process end with their time alone.
        """
        subscriptions: dict[Endpoint, asyncio.Task[None]] = {}
        try:
            while True:
                servers = {client.endpoint: client.server for client in await self._redis.servers()}
                for endpoint in subscriptions.keys() - servers.keys():  # it is a replica now, or gone
                    await cancel_and_wait(subscriptions.pop(endpoint))
                for endpoint, server in servers.items():
                    if endpoint not in subscriptions or subscriptions[endpoint].done():
                        subscriptions[endpoint] = asyncio.create_task(self._stay_subscribed(server))
                await asyncio.wait(
                    subscriptions.values(), timeout=SERVERS_INTERVAL_S, return_when=asyncio.FIRST_COMPLETED
                )
                if any(subscription.done() for subscription in subscriptions.values()):
                    await asyncio.sleep(REPEAT_S)
                    errors = [task.exception() for task in subscriptions.values() if task.done()]
                    if len(errors) == len(subscriptions) and errors[0] is not None:
                        raise errors[0]
        except NoPermissionError:
            self._announced.set()
        finally:
            await cancel_and_wait(*subscriptions.values())

    async def _stay_subscribed(self, server: Server) -> None:
        """Raises redis' errors when the connection is lost."""
        connection = await server.open_another()
        try:
            await connection.send(pack_command("SUBSCRIBE", self.channel))
            self._announced.set()
            while True:  # nobody publishes, so the only replies are those to the checks
                await connection.wait_closed(timeout_s=CHECK_INTERVAL_S)
                await connection.send(pack_command("PING"))
        finally:
            connection.close()

    async def wait_until_announced(self) -> None:
        """Wait until the first subscription is confirmed: earlier leases would end with their time alone."""
        await self._announced.wait()
