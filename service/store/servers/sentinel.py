"""Sentinel: the primary according to the newest configuration, since a sentinel may not know of a failover yet."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError

from service.runtime import cancel_and_wait
from service.store.servers.address import Endpoint, to_port
from service.store.servers.server import Server

TIMEOUT_S: Final = 2.0
OTHERS_TIMEOUT_S: Final = 0.2  # for the other sentinels, once the first has replied


class Report(NamedTuple):
    """What one sentinel says of the primary."""

    epoch: int
    endpoint: Endpoint
    is_up: bool


class PrimaryNotFound(RedisConnectionError):
    """No sentinel names a primary that is up. The text has the answer of each sentinel."""


async def find_primary(sentinels: Sequence[Server], service: str) -> Endpoint:
    """Ask all sentinels, and use the reply with the highest configuration epoch. Raises PrimaryNotFound.

    The first reply may name the old primary, which accepts writes after a restart until a sentinel makes it a replica;
    then those writes are lost. See https://valkey.io/topics/sentinel/, Configuration epochs.

    The sentinels are believed. If they name a replica, it answers reads, and refuses writes with ReadOnlyError.
    """
    answers = await _load_reports(sentinels, service)
    reports = [answer for answer in answers.values() if isinstance(answer, Report)]
    newest = max((report.epoch for report in reports), default=0)
    for report in reports:
        if report.epoch == newest and report.is_up:
            return report.endpoint
    texts = [
        f"{endpoint}: {'the primary is down' if isinstance(answer, Report) else answer}"
        for endpoint, answer in answers.items()
    ]
    raise PrimaryNotFound(f"no sentinel names a primary {service!r} that is up: {'; '.join(texts)}")


async def _load_reports(sentinels: Sequence[Server], service: str) -> dict[Endpoint, Report | str]:
    """What each sentinel says, or why it says nothing."""
    answers: dict[Endpoint, Report | str] = {sentinel.endpoint: "no answer in time" for sentinel in sentinels}
    asked = {
        asyncio.create_task(_load_report(sentinel, service)): sentinel.endpoint for sentinel in sentinels
    }
    pending = set(asked)
    try:
        while pending:
            has_report = any(isinstance(answer, Report) for answer in answers.values())
            done, pending = await asyncio.wait(
                pending,
                timeout=OTHERS_TIMEOUT_S if has_report else None,
                return_when=asyncio.FIRST_COMPLETED,
            )
            if not done:
                break
            answers |= {asked[task]: task.result() for task in done}
    finally:
        await cancel_and_wait(*pending)
    return answers


async def _load_report(sentinel: Server, service: str) -> Report | str:
    try:
        async with asyncio.timeout(TIMEOUT_S):
            masters = await sentinel.ask("SENTINEL", "MASTERS")
        return _parse(masters, service) or f"it does not know {service!r}"
    except TimeoutError:
        return "no answer in time"
    except (RedisError, OSError) as exc:
        return str(exc)
    except (TypeError, ValueError, KeyError):
        return "its answer is not that of a sentinel"


def _parse(masters: Any, service: str) -> Report | None:
    """What the reply to SENTINEL MASTERS says of this primary. Raises TypeError, ValueError and KeyError if it is malformed."""
    for fields in masters:
        words = [str(word, "utf-8") for word in fields]
        report = dict(zip(words[::2], words[1::2], strict=True))
        if report["name"] == service:
            flags = set(report["flags"].split(","))
            return Report(
                int(report["config-epoch"]),
                Endpoint(report["ip"], to_port(report["port"])),
                "master" in flags and flags.isdisjoint({"s_down", "o_down"}),
            )
    return None
