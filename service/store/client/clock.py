"""The store's clock: noticed when it was set back, and what has to be put right then.

Work waits for moments of that clock. A step forward ends a wait early, which costs a call or two; a step back would
prolong it by as much.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Final

from redis.asyncio import Redis

from service.domain.customers import OrgId
from service.store.client import keys
from service.store.client.scan import BATCH_SIZE
from service.store.client.scripts import load_script

MIN_STEP_MS: Final = 2000  # less is no harm
SAVE_INTERVAL_MS: Final = 5000  # a write for all workers together


async def handle_clock_step_back(
    redis: Redis,
    *,
    now_ms: Callable[[], Awaitable[int]],
    orgs: Callable[[], Awaitable[Iterable[OrgId]]],
) -> int:
    """End all waiting where the clock was set back since it was last noted; by how many ms, 0 = it was not.

    Each partition has its own note, since each may be on a server of its own. A note is written only afterwards: a
    process that dies on the way leaves the rest to the next one.
    """
    client: Any = redis
    names = keys.of_partitions("last_server_time")
    async with client.pipeline(transaction=False) as pipe:
        for name in names:
            pipe.get(name)
        noted = [int(each or 0) for each in await pipe.execute()]
    now = await now_ms()  # after reading: a process that stood still in between must not take that for a step
    stepped = {number for number, then in enumerate(noted) if then - now > MIN_STEP_MS}
    if stepped:
        for org in await orgs():
            if keys.partition_of(org) in stepped:
                while await load_script("queue", "reset_waits")(redis, org, now, BATCH_SIZE) == BATCH_SIZE:
                    pass
    stale = [
        name
        for number, name in enumerate(names)
        if number in stepped or now - noted[number] > SAVE_INTERVAL_MS
    ]
    if stale:
        async with client.pipeline(transaction=False) as pipe:
            for name in stale:
                pipe.set(name, now)
            await pipe.execute()
    return max(noted) - now if stepped else 0
