"""The server's clock: what happens when it is set back.

Work waits for moments of that clock. A step forward ends a wait early, which costs a few calls. A step back would
prolong every wait by as much.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Final

from service.domain.customers import OrgId
from service.store.client import keys
from service.store.client.connection import RedisClient
from service.store.client.scan import BATCH_SIZE
from service.store.client.scripts import load_script

MIN_STEP_MS: Final = 2000  # a smaller step does no harm
SAVE_INTERVAL_MS: Final = 5000  # of the time that all workers share


async def handle_clock_step_back(
    redis: RedisClient,
    *,
    now_ms: Callable[[], Awaitable[int]],
    orgs: Callable[[], Awaitable[Iterable[OrgId]]],
) -> int:
    """End all waits if the clock was set back since it was last saved. Returns the step in ms, 0 if there was none.

    Each partition has a saved time of its own, because each may be on a server of its own. The new time is saved last:
    if this process dies on the way, the next one does the rest.
    """
    names = keys.of_partitions("last_server_time")
    async with redis.pipeline(transaction=False) as pipe:
        for name in names:
            pipe.get(name)
        saved = [int(value or 0) for value in await pipe.execute()]
    # After reading: if this process was suspended in between, the saved times must not look like the future.
    now = await now_ms()
    stepped = {number for number, saved_ms in enumerate(saved) if saved_ms - now > MIN_STEP_MS}
    if stepped:
        for org in await orgs():
            if keys.partition_of(org) in stepped:
                while await load_script("queue", "reset_waits")(redis, org, now, BATCH_SIZE) == BATCH_SIZE:
                    pass
    outdated = [
        name
        for number, name in enumerate(names)
        if number in stepped or now - saved[number] > SAVE_INTERVAL_MS
    ]
    if outdated:
        async with redis.pipeline(transaction=False) as pipe:
            for name in outdated:
                pipe.set(name, now)
            await pipe.execute()
    return max(saved) - now if stepped else 0
