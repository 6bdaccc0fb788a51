"""Outages of Redis: which errors mean one, and one log line and alert for all loops of a worker process.

Every loop of a worker meets the same outage, some of them twenty times a second. Each of them reports here, goes on, and
says nothing itself.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

import structlog
from redis.exceptions import (
    AuthenticationError,
    BusyLoadingError,
    DataError,
    ExecAbortError,
    LockError,
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
    WatchError,
)
from redis.exceptions import TimeoutError as RedisTimeoutError

from service.alerts import Alerts

REMIND_S: Final = 600.0  # the same outage is logged again after this time
SETTLED_S: Final = (
    10.0  # without a failure, until the outage counts as over: reads may work while writes fail
)

_BY_CLASS: Final[tuple[tuple[type[Exception], str, str], ...]] = (
    (BusyLoadingError, "loading", "Redis is loading its data after a start"),
    (OutOfMemoryError, "out_of_memory", "Redis has reached its maxmemory and refuses writes"),
    (ReadOnlyError, "read_only", "REDIS_URL leads to a replica, which refuses writes"),
    (AuthenticationError, "not_authenticated", "Redis refuses the user or password of REDIS_URL"),
    (NoPermissionError, "no_permission", "the user of REDIS_URL may not execute a command that we need"),
    (RedisTimeoutError, "timeout", "Redis does not answer in time"),
    (ExecAbortError, "refused", "Redis refuses a transaction"),
)
# redis-py has no class for these. The word stands anywhere in the text if the command was part of a pipeline.
_BY_WORD: Final[tuple[tuple[str, str, str], ...]] = (
    ("MASTERDOWN", "primary_down", "REDIS_URL leads to a replica that has lost its primary"),
    ("CLUSTERDOWN", "cluster_down", "the Redis cluster does not serve all of its slots"),
    ("MISCONF", "disk_failed", "Redis cannot write to its disk and refuses writes"),
    ("NOREPLICAS", "no_replicas", "Redis has too few replicas and refuses writes"),
    ("UNBLOCKED", "failover", "Redis is changing its primary"),
    ("TRYAGAIN", "failover", "the Redis cluster is moving data"),
    ("BUSY ", "busy", "a script of somebody else blocks Redis"),
)
_AWAY: Final = ("unreachable", "Redis cannot be reached")


def describe_outage(exc: BaseException) -> tuple[str, str] | None:
    """The cause and a sentence if the error means that Redis is away or refuses to work; None for any other error.

    Another reply of Redis is a bug of ours, for example an error in a script.
    """
    for kind, cause, text in _BY_CLASS:
        if isinstance(exc, kind):
            return cause, text
    if isinstance(exc, ResponseError):
        words = str(exc)
        return next(((cause, text) for word, cause, text in _BY_WORD if word in words), None)
    if isinstance(exc, WatchError) and exc.__context__ is not None:
        # redis-py raises it in place of the ConnectionError of a connection that has keys watched, as arq's has.
        return describe_outage(exc.__context__)
    if isinstance(exc, DataError | LockError | WatchError):
        return None
    return _AWAY if isinstance(exc, RedisError | ConnectionError | TimeoutError) else None


class StoreOutage:
    """The current outage of one worker process, if any. Loops report their failures and successes."""

    def __init__(
        self,
        alerts: Alerts,
        *,
        settled_s: float = SETTLED_S,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._alerts = alerts
        self._settled_s = settled_s
        self._monotonic = monotonic
        self._causes: dict[str, float] = {}  # cause -> when it was last logged
        self._started_s = 0.0
        self._failed_s = 0.0

    def report_failure(self, exc: BaseException) -> bool:
        """Log the outage if it is new. False if the error is none: then the caller must log it."""
        outage = describe_outage(exc)
        if outage is None:
            return False
        cause, text = outage
        now = self._failed_s = self._monotonic()
        is_new = not self._causes
        if is_new:
            self._started_s = now
        logged_s = self._causes.get(cause)
        if logged_s is None or now - logged_s >= REMIND_S:
            self._causes[cause] = now
            structlog.get_logger().warning("store", outcome="unavailable", cause=cause, detail=text)
        if is_new:  # one outage may have several causes, such as a failover
            self._alerts.raise_alert(
                "store_unavailable",
                f"{text}. Webhooks are answered 503 and repeated by Haravan; workers wait and go on by themselves.",
            )
        return True

    def report_success(self) -> None:
        """Log the end of the outage, once nothing has failed for a while."""
        now = self._monotonic()
        if self._causes and now - self._failed_s >= self._settled_s:
            self._causes.clear()
            structlog.get_logger().info(
                "store", outcome="available", duration_s=round(self._failed_s - self._started_s, 1)
            )
