"""Discovery: sentinels say which server is the primary, and nodes of a cluster which primary owns which slots.

Several are asked at once, because one of them may be away, or may not know of a failover yet.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Final, NamedTuple, TypeVar

from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import InvalidResponse, RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError

from service.runtime import cancel_and_wait
from service.store.servers.address import Endpoint, to_port
from service.store.servers.cluster import ClusterView, parse_nodes
from service.store.servers.server import Server

T = TypeVar("T")

SENTINEL_TIMEOUT_S: Final = 2.0
OTHER_SENTINELS_TIMEOUT_S: Final = 0.2  # once the first has replied
NODE_TIMEOUT_S: Final = 1.0
OTHER_NODES_TIMEOUT_S: Final = 0.1


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
    unanswered = dict.fromkeys((sentinel.endpoint for sentinel in sentinels), "no answer in time")
    answers: dict[Endpoint, Report | str] = {**unanswered}
    answers |= await _ask_all(
        sentinels,
        lambda sentinel: _load_report(sentinel, service),
        is_answer=lambda answer: isinstance(answer, Report),
        others_timeout_s=OTHER_SENTINELS_TIMEOUT_S,
    )
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


async def load_views(nodes: Sequence[Server]) -> list[ClusterView]:
    """What the nodes say of their cluster, as far as they answer. Raises the last error if none of them does."""
    answers = await _ask_all(
        nodes,
        _load_view,
        is_answer=lambda answer: isinstance(answer, ClusterView),
        others_timeout_s=OTHER_NODES_TIMEOUT_S,
    )
    views = [answer for answer in answers.values() if isinstance(answer, ClusterView)]
    if not views:
        errors = [answer for answer in answers.values() if isinstance(answer, RedisError)]
        raise errors[-1] if errors else _no_owners()
    return views


async def _ask_all(
    servers: Sequence[Server],
    ask: Callable[[Server], Coroutine[Any, Any, T]],
    *,
    is_answer: Callable[[T], bool],
    others_timeout_s: float,
) -> dict[Endpoint, T]:
    """What each server says. Once one has answered, the others have `others_timeout_s`; later ones are left out."""
    asked = {asyncio.create_task(ask(server)): server.endpoint for server in servers}
    answers: dict[Endpoint, T] = {}
    pending = set(asked)
    try:
        while pending:
            is_answered = any(map(is_answer, answers.values()))
            done, pending = await asyncio.wait(
                pending,
                timeout=others_timeout_s if is_answered else None,
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
        async with asyncio.timeout(SENTINEL_TIMEOUT_S):
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


async def _load_view(node: Server) -> ClusterView | RedisError:
    try:
        async with asyncio.timeout(NODE_TIMEOUT_S):
            view = parse_nodes(str(await node.ask("CLUSTER", "NODES"), "utf-8"), node.endpoint)
    except RedisError as exc:
        return exc
    except TimeoutError:
        return RedisTimeoutError(f"{node.endpoint} does not say who owns the slots")
    except (TypeError, ValueError) as exc:
        return InvalidResponse(f"{node.endpoint} does not say who owns the slots: {exc}")
    return view if view.ranges else _no_owners()


def _no_owners() -> RedisConnectionError:
    return RedisConnectionError("no node of the cluster says who owns the slots")
