"""Sentinel: the primary according to the newest configuration, since a sentinel may not know of a failover yet."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Final

from redis.asyncio.sentinel import MasterNotFoundError, Sentinel
from redis.exceptions import RedisError

from service.runtime import cancel_and_wait

OTHERS_TIMEOUT_S: Final = 0.2  # for the other sentinels, once the first has replied

MasterReport = Mapping[str, Any]


class EpochAwareSentinel(Sentinel):
    """Asks all sentinels and uses the reply with the highest configuration epoch.

    redis-py uses the first reply. It may name the old primary, which accepts writes after a restart until a sentinel
    makes it a replica; then those writes are lost. See https://valkey.io/topics/sentinel/, Configuration epochs.
    """

    async def discover_master(self, service_name: str) -> tuple[str, int]:
        """The primary's address. Raises MasterNotFoundError if the newest configuration has no primary that is up."""
        reports = await self._reports(service_name)
        newest = max((report["config-epoch"] for report in reports), default=0)
        for report in reports:
            if report["config-epoch"] == newest and self.check_master_state(dict(report), service_name):
                return report["ip"], report["port"]
        raise MasterNotFoundError(
            f"none of {len(self.sentinels)} sentinels names a primary {service_name!r} that is up"
        )

    async def _reports(self, service_name: str) -> list[MasterReport]:
        pending: set[asyncio.Task[Mapping[str, MasterReport]]] = {
            asyncio.create_task(sentinel.sentinel_masters())  # type: ignore[no-untyped-call]
            for sentinel in self.sentinels
        }
        reports: list[MasterReport] = []
        try:
            while pending:
                done, pending = await asyncio.wait(
                    pending,
                    timeout=OTHERS_TIMEOUT_S if reports else None,
                    return_when=asyncio.FIRST_COMPLETED,
                )
                if not done:
                    break
                reports += [
                    masters[service_name] for task in done if service_name in (masters := _masters(task))
                ]
        finally:
            await cancel_and_wait(*pending)
        return reports


def _masters(task: asyncio.Task[Mapping[str, MasterReport]]) -> Mapping[str, MasterReport]:
    try:
        return task.result()
    except (RedisError, OSError):
        return {}
