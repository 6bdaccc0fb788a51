"""Sentinel: the primary according to the newest configuration, since a sentinel may not know of a failover yet."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final

from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError

from service.runtime import cancel_and_wait
from service.store.servers.address import Endpoint
from service.store.servers.server import Server

TIMEOUT_S: Final = 2.0
OTHERS_TIMEOUT_S: Final = 0.2  # for the other sentinels, once the first has replied

Report = Mapping[str, str]  # what one sentinel says of the primary


class PrimaryNotFound(RedisConnectionError):
    """No sentinel names a primary that is up."""


async def find_primary(sentinels: Sequence[Server], service: str) -> Endpoint:
    """Ask all sentinels, and use the reply with the highest configuration epoch. Raises PrimaryNotFound.

    The first reply may name the old primary, which accepts writes after a restart until a sentinel makes it a replica;
    then those writes are lost. See https://valkey.io/topics/sentinel/, Configuration epochs.
    """
    reports = await _load_reports(sentinels, service)
    newest = max((int(report["config-epoch"]) for report in reports), default=0)
    for report in reports:
        if int(report["config-epoch"]) == newest and _is_up(report):
            return Endpoint(report["ip"], int(report["port"]))
    raise PrimaryNotFound(f"none of {len(sentinels)} sentinels names a primary {service!r} that is up")


def _is_up(report: Report) -> bool:
    flags = set(report["flags"].split(","))
    return "master" in flags and flags.isdisjoint({"s_down", "o_down"})


async def _load_reports(sentinels: Sequence[Server], service: str) -> list[Report]:
    pending = {asyncio.create_task(_load_report(sentinel, service)) for sentinel in sentinels}
    reports: list[Report] = []
    try:
        while pending:
            done, pending = await asyncio.wait(
                pending,
                timeout=OTHERS_TIMEOUT_S if reports else None,
                return_when=asyncio.FIRST_COMPLETED,
            )
            if not done:
                break
            reports += [report for task in done if (report := task.result()) is not None]
    finally:
        await cancel_and_wait(*pending)
    return reports


async def _load_report(sentinel: Server, service: str) -> Report | None:
    """What this sentinel says of the primary. None if it does not answer or does not know the primary."""
    try:
        async with asyncio.timeout(TIMEOUT_S):
            masters = await sentinel.ask("SENTINEL", "MASTERS")
    except (RedisError, OSError):  # a timeout is an OSError
        return None
    for fields in masters:
        words = [word.decode() for word in fields]
        report = dict(zip(words[::2], words[1::2], strict=True))
        if report.get("name") == service:
            return report
    return None
