"""Webhooks that are not Haravan's: counted and sampled, so that a flood fills neither Redis nor the log."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from typing import Any, Final

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from service.alerts import NO_SHOP, Alerts
from service.domain.deliveries import Refusal
from service.store import keys
from service.web.tally import Tally

ALERT_AFTER: Final = 5  # in a row; Haravan deletes the subscription after 19 (haravan.md, Webhooks)


class Refusals:
    """Counts each refusal; logs the first of a kind a minute; alerts when a shop's webhooks fail in a row."""

    def __init__(
        self, redis: Redis, alerts: Alerts, tally: Tally, *, clock: Callable[[], float] = time.time
    ) -> None:
        self._redis: Any = redis  # redis-py types its answers as "awaitable or not"
        self._alerts = alerts
        self._tally = tally
        self._clock = clock
        self._in_a_row: Counter[str] = Counter()
        self._waiting: Counter[tuple[int, str, str]] = Counter()  # (minute, org, reason), to be stored
        self._logged: dict[tuple[str, str], int] = {}

    def refused(self, reason: Refusal, *, org: str | None) -> None:
        """One request was answered 401. `org` is None unless it is a shop of ours: the header is not signed."""
        shop = org or NO_SHOP
        minute = int(self._clock() // 60)
        self._tally.refused[reason] += 1
        self._waiting[minute, shop, reason] += 1
        self._in_a_row[shop] += 1
        if self._logged.get((shop, reason)) != minute:
            self._logged[shop, reason] = minute
            structlog.get_logger().warning("unsigned", org=shop, reason=reason, in_a_row=self._in_a_row[shop])
        if reason == Refusal.NO_SECRET:
            self._alerts.raise_alert(
                "no_secret", "webhooks come in, and no secret is set to check them with", org=shop
            )
        elif org is not None and self._in_a_row[shop] == ALERT_AFTER:
            self._alerts.raise_alert(
                "unsigned",
                f"{ALERT_AFTER} webhooks in a row with a missing or wrong signature; "
                "Haravan deletes the subscription after 19 failures: check the webhook secret",
                org=shop,
            )

    def accepted(self, org: str) -> None:
        """One webhook of the shop was rightly signed."""
        if self._in_a_row:
            self._in_a_row.pop(org, None)

    async def flush(self) -> None:
        """Add the counts to their minutes' hashes; they wait on when Redis is away."""
        if not self._waiting:
            return
        counts, self._waiting = self._waiting, Counter()
        try:
            async with self._redis.pipeline(transaction=False) as pipe:
                for (minute, org, reason), count in counts.items():
                    pipe.hincrby(keys.unsigned(minute), f"{org}:{reason}", count)
                    pipe.expire(keys.unsigned(minute), keys.DAY_S)
                await pipe.execute()
        except (RedisError, OSError):
            self._waiting += counts
