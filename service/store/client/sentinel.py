"""Who is the primary, by the sentinels' newest word: one that has not heard of a failover names a server that was replaced."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Final

from redis.asyncio.sentinel import MasterNotFoundError, Sentinel
from redis.exceptions import RedisError

from service.runtime import cancel_and_wait

# A sentinel that is away must not keep us waiting, once another has answered.
OTHERS_TIMEOUT_S: Final = 0.2

MasterReport = Mapping[str, Any]


class EpochAwareSentinel(Sentinel):
    """redis-py's own, which believes the first that answers.

    The old primary, started again, takes writes until a sentinel makes it a replica, which throws them away. So all are
    asked, and the word with the highest configuration epoch counts (https://valkey.io/topics/sentinel/, Configuration epochs).
    """

    async def discover_master(self, service_name: str) -> tuple[str, int]:
        """The primary's address; raises MasterNotFoundError where the newest word names none that is up."""
        told = await self._told(service_name)
        newest = max((each["config-epoch"] for each in told), default=0)
        for each in told:
            if each["config-epoch"] == newest and self.check_master_state(dict(each), service_name):
                return each["ip"], each["port"]
        raise MasterNotFoundError(
            f"none of {len(self.sentinels)} sentinels names a primary {service_name!r} that is up"
        )

    async def _told(self, service_name: str) -> list[MasterReport]:
        asking: set[asyncio.Task[Mapping[str, MasterReport]]] = {
            asyncio.create_task(each.sentinel_masters())  # type: ignore[no-untyped-call]
            for each in self.sentinels
        }
        told: list[MasterReport] = []
        try:
            while asking:
                done, asking = await asyncio.wait(
                    asking,
                    timeout=OTHERS_TIMEOUT_S if told else None,
                    return_when=asyncio.FIRST_COMPLETED,
                )
                if not done:
                    break
                told += [
                    masters[service_name] for task in done if service_name in (masters := _masters(task))
                ]
        finally:
            await cancel_and_wait(*asking)
        return told


def _masters(task: asyncio.Task[Mapping[str, MasterReport]]) -> Mapping[str, MasterReport]:
    try:
        return task.result()
    except (RedisError, OSError):
        return {}
