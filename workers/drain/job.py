"""The drain job: one drain of one shop, from acquiring the lease to releasing it and waking the shop again."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import aiohttp
import structlog

from service.alerts import Alerts
from service.domain.customers import OrgId
from service.errors import RateLimited, TaggerError, TokenRejected
from service.runtime import last_frames, span
from service.store.jobs import Counters
from service.store.queue import LeaseLost, LeaseManager, ShopLease, wake_shop
from service.store.rules import CompiledRulesCache
from service.store.shops import Shop, ShopRepository
from workers.drain.context import DrainContext, DrainStopped, refill_ms
from workers.drain.pause import pause_for_rejected_token, probe_token
from workers.drain.reader import Reader
from workers.drain.writer import Writer
from workers.haravan import CALL_TIMEOUT_S, Haravan, count_requests
from workers.store_outage import describe_outage

# No round starts later than this. Drains are short because arq checks every running job at each poll of every worker.
TIME_BUDGET_S: Final = 1.5
LATE_BUDGET_S: Final = TIME_BUDGET_S + CALL_TIMEOUT_S  # while a call takes long
LATE_POLL_S: Final = 0.25
INTERRUPTED_WAIT_MS: Final = 5_000
FAILED_WAIT_MS: Final = 60_000  # without it, a shop whose drain fails would be woken again at once, for ever


@dataclass(frozen=True, slots=True)
class Drain:
    """Drains shops. One instance serves a whole process."""

    leases: LeaseManager
    shops: ShopRepository
    session: aiohttp.ClientSession
    counters: Counters
    alerts: Alerts
    jitter: Callable[[], float]
    rules_cache: CompiledRulesCache
    monotonic: Callable[[], float] = time.monotonic

    async def __call__(self, org: OrgId) -> None:
        """Drain the shop unless another worker does.

        All failures of customers and of the shop are handled here. Raises only if Redis is away.
        """
        with span("drain", {"tagger.org": org}, kind="consumer") as current:
            current.set_attribute("tagger.outcome", await self._drain(org))

    async def _drain(self, org: OrgId) -> str:
        """Drain the shop. Returns the outcome."""
        started = self.monotonic()
        lease = await self.leases.acquire(org, token=secrets.token_hex(8))
        if lease is None:
            self.counters.add("drains", outcome="lease_held")
            return "lease_held"
        outcome, wait_ms, context, cause, has_failed = "done", 0, None, None, True
        try:
            shop = await self.shops.get(org)
            if shop is None:
                outcome, wait_ms = "shop_not_found", FAILED_WAIT_MS
            elif lease.state.get("paused"):
                outcome = await probe_token(
                    lease, self.shops, self._api(shop), self.leases.rate_limiter, self.leases.redis
                )
            else:
                context = await self._context(lease, shop)
                outcome, wait_ms = await self._loop(context, started)
            has_failed = False
        except asyncio.CancelledError:  # the process stops
            has_failed = False
            raise
        except LeaseLost:
            outcome = "lease_lost"
        except TaggerError as exc:  # the token cannot be decrypted, or the rules cannot be compiled
            outcome, wait_ms, cause = "failed", _failed_wait_ms(context), str(exc)
            self.alerts.raise_alert("drain_failed", cause, org=org)
        except Exception as exc:  # the outermost: otherwise the shop would be woken at once, for ever
            if describe_outage(exc) is not None:
                raise  # the worker process reconnects, and a sweep wakes the shop again
            outcome, wait_ms, cause = "error", _failed_wait_ms(context), last_frames(exc)
            self.alerts.raise_alert("drain_failed", cause, org=org)
        finally:
            wakeup = await lease.release(
                wait_ms=wait_ms, state=_state_changes(context, outcome), has_failed=has_failed
            )
            if wakeup.number:
                await wake_shop(self.leases.redis, org, number=wakeup.number, delay_s=wakeup.delay_ms / 1000)
        self.counters.add("drains", outcome=outcome)
        logger = structlog.get_logger()
        write_line = logger.error if outcome == "error" else logger.info
        write_line(
            "drain",
            org=org,
            outcome=outcome,
            cause=cause,
            duration_ms=round((self.monotonic() - started) * 1000),
            retry_in_s=wakeup.delay_ms / 1000 if wakeup.number else None,
            **(context.log.counts if context is not None else {}),
        )
        return outcome

    def _api(self, shop: Shop) -> Haravan:
        return Haravan.for_shop(shop, self.session, on_request=count_requests(self.counters))

    async def _context(self, lease: ShopLease, shop: Shop) -> DrainContext:
        return DrainContext(
            lease=lease,
            shop=shop,
            api=self._api(shop),
            rules=await self.rules_cache.get(shop, lease.version),
            redis=self.leases.redis,
            rate_limiter=self.leases.rate_limiter,
            shops=self.shops,
            counters=self.counters,
            alerts=self.alerts,
            jitter=self.jitter,
        )

    async def _loop(self, context: DrainContext, started: float) -> tuple[str, int]:
        """Read and write at the same time until nothing more can be done now. Returns the outcome and the wait in ms."""
        reader, writer = Reader(context), Writer(context)
        try:
            ended: tuple[str, int] | None = None
            while ended is None:
                # Neither cancels the other: the response of a cancelled write would be lost.
                reading = asyncio.create_task(reader.read_batch())
                results = await asyncio.gather(
                    reading, _write_during(reading, writer), return_exceptions=True
                )
                errors = [result for result in results if isinstance(result, BaseException)]
                if errors:
                    break
                late, is_idle = [*reader.late, *writer.late], not any(results)
                elapsed_s = self.monotonic() - started
                ended = self._end(context, is_idle=is_idle, is_late=bool(late), elapsed_s=elapsed_s)
                if is_idle and ended is None:
                    await asyncio.wait(late, timeout=LATE_POLL_S, return_when=asyncio.FIRST_COMPLETED)
            finished = await asyncio.gather(writer.finish(), return_exceptions=True)
            errors += [result for result in finished if isinstance(result, BaseException)]
            return await self._stop(context, errors) if ended is None or errors else ended
        finally:
            await reader.close()
            await writer.close()

    def _end(
        self, context: DrainContext, *, is_idle: bool, is_late: bool, elapsed_s: float
    ) -> tuple[str, int] | None:
        """The outcome and the wait if the drain ends after this round, otherwise None.

        `is_idle`: nothing more can be done now. `is_late`: a call takes long, and the others do not wait for it.
        """
        if is_late and elapsed_s <= LATE_BUDGET_S:
            return None
        if not is_idle:
            return ("time_budget_spent", 0) if elapsed_s > TIME_BUDGET_S else None
        if context.wait_ms:
            return "waiting", context.wait_ms
        return "done", refill_ms(context.rate_limiter)

    async def _stop(self, context: DrainContext, errors: Sequence[BaseException]) -> tuple[str, int]:
        """The outcome and the wait of a drain that ends early. Raises the first error that is a real failure."""
        for error in errors:
            if not isinstance(error, RateLimited | TokenRejected | DrainStopped):
                raise error
        for error in errors:
            if isinstance(error, TokenRejected):
                await pause_for_rejected_token(
                    context.redis,
                    context.shops,
                    context.alerts,
                    context.lease.org,
                    error,
                    token=context.shop.token,
                    now_ms=context.lease.now_ms,
                )
                return "token_rejected", 0
        waits_s = [error.retry_after_s for error in errors if isinstance(error, RateLimited)]
        if waits_s:
            return "rate_limited", int(max(waits_s) * 1000)
        return str(errors[0]), 0


async def _write_during(reading: asyncio.Task[bool], writer: Writer) -> bool:
    """Write plans until the read has ended. False if none could be written."""
    has_written = False
    while await writer.write_batch():
        has_written = True
        if reading.done():
            break
    return has_written


def _failed_wait_ms(context: DrainContext | None) -> int:
    """Once a drain has begun, the next one gets further: the customers of this one are suspects."""
    return FAILED_WAIT_MS if context is None else INTERRUPTED_WAIT_MS


def _state_changes(context: DrainContext | None, outcome: str) -> dict[str, str]:
    if context is not None:
        return context.state_changes()
    # A manual pause has no probe. The time of an earlier one would wake the shop every few seconds.
    return {"next_probe_ms": ""} if outcome in ("paused", "resumed") else {}
