"""Rejected webhooks: counted and sampled, so that a flood of them fills neither Redis nor the log."""

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
from service.domain.sync import RejectionReason
from service.store.history import rejections
from service.web.webhooks.metrics import WebhookMetrics

MAX_STREAK: Final = 5  # rejections in a row; Haravan deletes the subscription after 19 (haravan.md, Webhooks)


class RejectionTracker:
    """Counts rejections, logs the first of a kind each minute, and alerts if a shop's webhooks fail in a row.

    Streaks are counted over all web processes, at each `flush`. An accepted webhook costs nothing.
    """

    def __init__(
        self,
        redis: Redis,
        alerts: Alerts,
        metrics: WebhookMetrics,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._redis = redis
        self._alerts = alerts
        self._metrics = metrics
        self._clock = clock
        self._process_id = secrets.token_hex(4)
        self._checks = count(1)
        self._pending: dict[
            OrgId, deque[float]
        ] = {}  # times of each shop's latest rejections since the last flush
        self._counts: Counter[tuple[int, str, str]] = Counter()  # (minute, org, reason), not stored yet
        self._logged: dict[tuple[str, str], int] = {}  # minute of the last line, by org and reason

    def record(self, reason: RejectionReason, *, org: OrgId | None) -> None:
        """Count a rejected request. `org` is None for an unknown shop: the header is not signed, so anyone can invent one."""
        shop = org or NO_SHOP
        now = self._clock()
        minute = int(now // 60)
        self._metrics.rejected.labels(reason).inc()
        self._counts[minute, shop, reason] += 1
        if self._logged.get((shop, reason)) != minute:
            self._logged[shop, reason] = minute
            structlog.get_logger().warning("webhook_rejected", org=shop, reason=reason)
        if reason == RejectionReason.NO_SECRET:
            self._alerts.raise_alert(
                "webhook_secret_missing", "webhooks arrive, and no secret is set to verify them", org=shop
            )
        elif org is not None:
            self._pending.setdefault(org, deque(maxlen=MAX_STREAK)).append(now)

    async def flush(self) -> None:
        """Store the counts and check the streaks. If Redis is down they are kept for the next flush."""
        counts, self._counts = self._counts, Counter()
        pending, self._pending = self._pending, {}
        try:
            if counts:
                await rejections.add_counts(self._redis, counts)
                counts = Counter()
            while pending:
                org, moments = pending.popitem()
                try:
                    await self._check_streak(org, moments)
                except (RedisError, OSError):
                    pending[org] = moments
                    raise
        except (RedisError, OSError):
            self._counts += counts
            self._restore(pending)

    async def _check_streak(self, org: OrgId, moments: deque[float]) -> None:
        now = self._clock()
        ages_ms = [max(0, int((now - moment) * 1000)) for moment in moments]
        streak = await rejections.consecutive_failures(
            self._redis,
            org,
            batch=f"{self._process_id}:{next(self._checks)}",
            ages_ms=ages_ms,
            limit=MAX_STREAK,
        )
        if streak >= MAX_STREAK:
            self._alerts.raise_alert(
                "webhook_signature_failures",
                f"{MAX_STREAK} webhooks in a row with a missing or wrong signature; "
                "Haravan deletes the subscription after 19 failures: check the webhook secret",
                org=org,
            )

    def _restore(self, pending: Mapping[OrgId, deque[float]]) -> None:
        for org, moments in pending.items():
            moments.extend(self._pending.get(org, ()))
            self._pending[org] = moments
