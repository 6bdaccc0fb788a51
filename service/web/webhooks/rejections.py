"""Rejected webhooks: counted and sampled, so that a flood of them fills neither Redis nor the log."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import deque
from collections.abc import Callable, Mapping
from itertools import count
from typing import Final

import structlog
from redis.exceptions import RedisError

from service.alerts import NO_SHOP, Alerts
from service.domain.customers import OrgId
from service.domain.sync import RejectionReason
from service.store.client import RedisClient
from service.store.history import Tally, rejections
from service.web.webhooks.metrics import WebhookMetrics

MAX_PENDING_ORGS: Final = 500  # the org header is not signed
MAX_STREAK: Final = 5  # rejections in a row; Haravan deletes the subscription after 19 (haravan.md, Webhooks)


class RejectionTracker:
    """Counts rejections, logs the first of a kind each minute, and alerts if a shop's webhooks fail in a row.

    Streaks are counted over all web processes, at each `flush`. An accepted webhook costs nothing.
    """

    def __init__(
        self,
        redis: RedisClient,
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
        self._rejected: dict[str, dict[str, Tally]] = {}  # by org and reason, not stored yet
        self._unknown: dict[str, Tally] = {}  # by org, not stored yet
        self._logged: dict[tuple[str, str], int] = {}  # minute of the last line, by org and reason

    def record(self, reason: RejectionReason, *, org: OrgId | None) -> None:
        """Count a rejected request. `org` is None for an unknown shop: the header is not signed, so anyone can invent one."""
        shop = org or NO_SHOP
        now = self._clock()
        minute = int(now // 60)
        self._metrics.rejected.labels(reason).inc()
        _merge(self._rejected.setdefault(shop, {}), {reason: self._single()})
        if self._logged.get((shop, reason)) != minute:
            self._logged[shop, reason] = minute
            structlog.get_logger().warning("webhook_rejected", org=shop, reason=reason)
            self._alert(reason, org)
        if org is not None and reason not in (RejectionReason.NO_SECRET, RejectionReason.CONTENT_ENCODING):
            self._pending.setdefault(org, deque(maxlen=MAX_STREAK)).append(now)

    def _alert(self, reason: RejectionReason, org: OrgId | None) -> None:
        """Raise the alert of a reason that one webhook proves. Wrong signatures need a streak, because anyone can send one."""
        if reason == RejectionReason.NO_SECRET:
            self._alerts.raise_alert(
                "webhook_secret_missing",
                "webhooks arrive, and no secret is set to verify them",
                org=org or NO_SHOP,
            )
        elif reason == RejectionReason.CONTENT_ENCODING and org is not None:
            self._alerts.raise_alert(
                "webhook_compressed",
                "webhooks arrive compressed (gzip, deflate or br) and are refused with 415: nobody can read them. "
                "Does a proxy in front of this service compress requests? Switch it off",
                org=org,
            )

    def record_unknown_shop(self, org: str) -> None:
        """Count a signed webhook of a shop that is not configured; "" is one without an org."""
        if len(self._unknown) < MAX_PENDING_ORGS or org in self._unknown:
            _merge(self._unknown, {org or NO_SHOP: self._single()})

    def _single(self) -> Tally:
        now_ms = int(self._clock() * 1000)
        return Tally(1, now_ms, now_ms)

    async def flush(self) -> None:
        """Store the counts and check the streaks. What a server that is away cannot take is kept for the next flush."""
        pending, self._pending = self._pending, {}
        rejected, self._rejected = self._rejected, {}
        unknown, self._unknown = self._unknown, {}
        await asyncio.gather(
            *(self._store_rejections(shop, tallies) for shop, tallies in rejected.items()),
            self._store_unknown(unknown),
        )
        await asyncio.gather(*(self._store_streak(org, moments) for org, moments in pending.items()))

    async def _store_rejections(self, shop: str, tallies: Mapping[str, Tally]) -> None:
        try:
            await rejections.add_rejections(self._redis, shop, tallies)
        except (RedisError, OSError):
            _merge(self._rejected.setdefault(shop, {}), tallies)

    async def _store_unknown(self, tallies: Mapping[str, Tally]) -> None:
        if not tallies:
            return
        try:
            await rejections.add_unknown_shops(self._redis, tallies)
        except (RedisError, OSError):
            _merge(self._unknown, tallies)

    async def _store_streak(self, org: OrgId, moments: deque[float]) -> None:
        try:
            await self._check_streak(org, moments)
        except (RedisError, OSError):
            moments.extend(self._pending.get(org, ()))
            self._pending[org] = moments

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


def _merge(into: dict[str, Tally], tallies: Mapping[str, Tally]) -> None:
    for name, tally in tallies.items():
        into[name] = into[name] + tally if name in into else tally
