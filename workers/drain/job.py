"""The drain: one turn of one shop. Read what is ready in batches, decide, write what differs, give way."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import aiohttp
import structlog
from redis.exceptions import RedisError

from service.alerts import Alerts
from service.domain.customers import OrgId
from service.errors import RateLimited, TaggerError, TokenRejected
from service.store.jobs import Counters
from service.store.queue import LeaseLost, LeaseManager, ShopLease, wake_shop
from service.store.rules import CompiledRulesCache
from service.store.shops import Shop, ShopRepository
from workers.drain.context import DrainContext, DrainStopped, refill_ms
from workers.drain.pause import pause_for_rejected_token, probe_token
from workers.drain.plan_writer import last_frames
from workers.drain.reader import Reader
from workers.drain.writer import Writer
from workers.haravan import Haravan

TIME_BUDGET_S: Final = (
    1.5  # no round is begun later; arq re-checks every running job at each poll of every worker
)
FAILED_WAIT_MS: Final = 60_000  # a shop that cannot be drained must not be woken at once, for ever


@dataclass(frozen=True, slots=True)
class Drain:
    """Everything that a drain needs, built once a process."""

    turns: LeaseManager
    shops: ShopRepository
    session: aiohttp.ClientSession
    counters: Counters
    alerts: Alerts
    dice: Callable[[], float]
    rulebook: CompiledRulesCache
    monotonic: Callable[[], float] = time.monotonic

    async def __call__(self, org: OrgId) -> None:
        """One turn of a shop, if nobody else has it. Failures of customers and of the shop are settled here."""
        started = self.monotonic()
        turn = await self.turns.acquire(org, token=secrets.token_hex(8))
        if turn is None:
            self.counters.add("drains", outcome="lease_held")
            return
        log = structlog.get_logger().bind(org=org)
        outcome, wait_ms, work, cause = "done", 0, None, None
        try:
            shop = await self.shops.get(org)
            if shop is None:
                outcome, wait_ms = "shop_not_found", FAILED_WAIT_MS
            elif turn.state.get("paused"):
                outcome = await probe_token(
                    turn, self.shops, self._api(shop), self.turns.rate_limiter, self.turns.redis
                )
            else:
                work = await self._work(turn, shop)
                outcome, wait_ms = await self._loop(work, started)
        except LeaseLost:
            outcome = "lease_lost"
        except TaggerError as exc:  # the shop's token cannot be opened, its rules cannot be read
            outcome, wait_ms = "failed", FAILED_WAIT_MS
            cause = str(exc)
            self.alerts.raise_alert("drain_failed", str(exc), org=org)
        except (RedisError, OSError):
            raise  # the store is away: arq's worker is built anew, and the sweep rings again
        except Exception as exc:  # noqa: BLE001  # the job's outermost: else the shop would be rung for at once, for ever
            outcome, wait_ms, cause = "error", FAILED_WAIT_MS, last_frames(exc)
            self.alerts.raise_alert("drain_failed", cause, org=org)
        finally:
            ring = await turn.release(wait_ms=wait_ms, state=_state_changes(work, outcome))
            if ring.number:
                await wake_shop(self.turns.redis, org, number=ring.number, delay_s=ring.delay_ms / 1000)
        self.counters.add("drains", outcome=outcome)
        log.info(
            "drain",
            outcome=outcome,
            cause=cause,
            duration_ms=round((self.monotonic() - started) * 1000),
            retry_in_s=ring.delay_ms / 1000 if ring.number else None,
            **(work.journal.counts if work is not None else {}),
        )

    def _api(self, shop: Shop) -> Haravan:
        return Haravan.for_shop(shop, self.session, on_request=self._count_request)

    def _count_request(self, endpoint: str, status: int | None, seconds: float) -> None:
        self.counters.add("api_requests", endpoint=endpoint, status=str(status or "none"))
        self.counters.observe("api_request_seconds", seconds, endpoint=endpoint)

    async def _work(self, turn: ShopLease, shop: Shop) -> DrainContext:
        return DrainContext(
            turn=turn,
            shop=shop,
            api=self._api(shop),
            compiled=await self.rulebook.get(shop, turn.version),
            redis=self.turns.redis,
            bucket=self.turns.rate_limiter,
            shops=self.shops,
            counters=self.counters,
            alerts=self.alerts,
            dice=self.dice,
        )

    async def _loop(self, work: DrainContext, started: float) -> tuple[str, int]:
        """Read and write side by side until nothing more can be done now; and when to come back for the rest."""
        reading, writing = Reader(work), Writer(work)
        while True:
            # both are let finish: a write that is cancelled on its way is an answer lost
            results = await asyncio.gather(reading.read_batch(), writing.write(), return_exceptions=True)
            errors = [each for each in results if isinstance(each, BaseException)]
            for error in errors:
                if not isinstance(error, RateLimited | TokenRejected | DrainStopped):
                    raise error
            if refusals := [each for each in errors if isinstance(each, TokenRejected)]:
                await pause_for_rejected_token(
                    work.redis,
                    work.shops,
                    work.alerts,
                    work.turn.org,
                    refusals[0],
                    token=work.shop.token,
                    now_ms=work.turn.now_ms,
                )
                return "token_rejected", 0
            if throttles := [each for each in errors if isinstance(each, RateLimited)]:
                return "rate_limited", int(max(each.retry_after_s for each in throttles) * 1000)
            if errors:
                return str(errors[0]), 0
            if not any(each is True for each in results):
                return (
                    ("waiting", work.wait_ms)
                    if work.wait_ms
                    else ("done", refill_ms(self.turns.rate_limiter))
                )
            if self.monotonic() - started > TIME_BUDGET_S:
                return "time_budget_spent", 0


def _state_changes(work: DrainContext | None, outcome: str) -> dict[str, str]:
    if work is not None:
        return work.state_changes()
    # a pause by hand has nothing to probe: a moment left of an earlier one would ring for it every few seconds
    return {"next_probe_ms": ""} if outcome in ("paused", "resumed") else {}
