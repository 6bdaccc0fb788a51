"""Webhooks that are not Haravan's: counted and sampled, so that a flood fills neither Redis nor the log."""

from __future__ import annotations

import secrets
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping
from itertools import count
from typing import Final

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from service.alerts import NO_SHOP, Alerts
from service.domain.customers import OrgId
from service.domain.deliveries import Refusal
from service.store import unsigned
from service.web.tally import Tally

ALERT_AFTER: Final = 5  # in a row; Haravan deletes the subscription after 19 (haravan.md, Webhooks)


class Refusals:
    """Counts each refusal; logs the first of a kind a minute; alerts when a shop's webhooks fail in a row.

    What is in a row is found by all web processes together, at each `flush`; a webhook that is taken costs nothing.
    """

    def __init__(
        self, redis: Redis, alerts: Alerts, tally: Tally, *, clock: Callable[[], float] = time.time
    ) -> None:
        self._redis = redis
        self._alerts = alerts
        self._tally = tally
        self._clock = clock
        self._me = secrets.token_hex(4)
        self._looks = count(1)
        self._rows: dict[
            OrgId, deque[float]
        ] = {}  # when: the last few of each shop of ours, since the last flush
        self._waiting: Counter[tuple[int, str, str]] = Counter()  # (minute, org, reason), to be stored
        self._logged: dict[tuple[str, str], int] = {}

    def refused(self, reason: Refusal, *, org: OrgId | None) -> None:
        """One request was answered 401. `org` is None unless it is a shop of ours: the header is not signed."""
        shop = org or NO_SHOP
        now = self._clock()
        minute = int(now // 60)
        self._tally.refused[reason] += 1
        self._waiting[minute, shop, reason] += 1
        if self._logged.get((shop, reason)) != minute:
            self._logged[shop, reason] = minute
            structlog.get_logger().warning("unsigned", org=shop, reason=reason)
        if reason == Refusal.NO_SECRET:
            self._alerts.raise_alert(
                "no_secret", "webhooks come in, and no secret is set to check them with", org=shop
            )
        elif org is not None:
            self._rows.setdefault(org, deque(maxlen=ALERT_AFTER)).append(now)

    async def flush(self) -> None:
        """Store the counts and look at the rows; all of it waits on when Redis is away."""
        counts, self._waiting = self._waiting, Counter()
        rows, self._rows = self._rows, {}
        try:
            if counts:
                await unsigned.count(self._redis, counts)
                counts = Counter()
            while rows:
                org, row = rows.popitem()
                try:
                    await self._look(org, row)
                except (RedisError, OSError):
                    rows[org] = row
                    raise
        except (RedisError, OSError):
            self._waiting += counts
            self._put_back(rows)

    async def _look(self, org: OrgId, row: deque[float]) -> None:
        now = self._clock()
        ages_ms = [max(0, int((now - at) * 1000)) for at in row]
        noted = await unsigned.in_a_row(
            self._redis, org, by=f"{self._me}:{next(self._looks)}", ages_ms=ages_ms, most=ALERT_AFTER
        )
        if noted >= ALERT_AFTER:
            self._alerts.raise_alert(
                "unsigned",
                f"{ALERT_AFTER} webhooks in a row with a missing or wrong signature; "
                "Haravan deletes the subscription after 19 failures: check the webhook secret",
                org=org,
            )

    def _put_back(self, rows: Mapping[OrgId, deque[float]]) -> None:
        for org, row in rows.items():
            row.extend(self._rows.get(org, ()))
            self._rows[org] = row
