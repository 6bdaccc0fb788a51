"""Pauses all work of a shop after failures that concern the whole shop, and resumes it after a rejected token."""

from __future__ import annotations

from typing import Any, Final

from service.alerts import Alerts
from service.domain.customers import OrgId
from service.domain.sync import AUTH_PROBE_INTERVAL_S
from service.errors import AccessDenied, HaravanError, TokenRejected
from service.sentence import Sentence
from service.store.client import RedisClient, keys
from service.store.queue import RateLimiter, ShopLease
from service.store.shops import MASS_404, TOKEN_REJECTED, ShopRepository
from workers.drain.log import RejectionStreak
from workers.drain.permits import ReadPermits
from workers.haravan import Haravan, RateLimitExceeded

WORKER: Final = "worker"

MAX_DENIED_IN_A_ROW: Final = 3  # customers; then the token lacks a scope


async def pause_for_rejected_token(
    redis: RedisClient,
    shops: ShopRepository,
    alerts: Alerts,
    org: OrgId,
    exc: TokenRejected,
    *,
    token: str,
    now_ms: int,
) -> None:
    """Stop all work of the shop after a 401, or a 403 that concerns the shop. Its marks stay.

    A probe every 5 minutes or a new token resumes it.

    `token` is the rejected one. It may be replaced while the call with it is in flight. To avoid pausing a shop that
    already has a valid token, pause first and then re-read the token; `set_token` stores first and then re-reads the
    pause. Whatever the interleaving, one of them sees the other's write.
    """
    await shops.pause(org, reason=TOKEN_REJECTED, by=WORKER)
    await _schedule_probe(redis, org, now_ms=now_ms)
    shop = await shops.get(org)
    if shop is not None and shop.token != token and shop.paused == TOKEN_REJECTED:
        await shops.resume(org)
        return
    missing = f" The token likely lacks the scope {exc.scope}." if exc.scope else ""
    alerts.raise_alert(
        "token_rejected",
        f"Haravan rejects the shop's token ({exc}).{missing} Nothing is lost: work resumes when the token is replaced "
        f"(`tagger shops token {org}`) or its scopes are back.",
        org=org,
    )


def rejection_of_shop(denied: AccessDenied, *, customers: int) -> TokenRejected | None:
    """The rejection of the shop's token, once this many customers in a row were denied access; None before.

    A 403 for a single customer says nothing about the others.
    """
    if customers < MAX_DENIED_IN_A_ROW:
        return None
    return TokenRejected(
        Sentence("{denied} for {customers} customers in a row", denied=denied.message, customers=customers),
        status=denied.status,
        scope=denied.scope,
    )


def is_denied_to_shop(failure: HaravanError, streak: RejectionStreak) -> bool:
    """Whether several customers in a row got this 403 already: it counts against none of them."""
    return isinstance(failure, AccessDenied) and streak.has(str(failure), customers=MAX_DENIED_IN_A_ROW)


async def pause_for_mass_404(
    shops: ShopRepository, alerts: Alerts, org: OrgId, *, missing: int, requested: int
) -> None:
    """Stop all work of the shop: so many customers cannot have been deleted at once. A person must check."""
    await shops.pause(org, reason=MASS_404, by=WORKER)
    alerts.raise_alert(
        "mass_404",
        f"{missing} of {requested} customers answered 404. That means a wrong token or API URL, not deletions. "
        f"Check both, then `tagger shops resume {org}`.",
        org=org,
    )


async def probe_token(
    lease: ShopLease, shops: ShopRepository, api: Haravan, rate_limiter: RateLimiter, redis: RedisClient
) -> str:
    """Send one cheap read for a shop with a rejected token, and resume the shop if it succeeds.

    Outside shadow mode it also checks the scope for writing: otherwise the next write would pause the shop again.
    """
    if lease.state.get("paused") != TOKEN_REJECTED:
        return "paused"
    if int(lease.state.get("next_probe_ms", "0")) > lease.now_ms:
        return "still_rejected"
    await _schedule_probe(redis, lease.org, now_ms=lease.now_ms)
    permits, shop = ReadPermits(lease, rate_limiter, lane="live", reserve=0), await shops.get(lease.org)
    try:
        await api.perform(api.dialect.count(), permits)
        if shop is not None and not shop.shadow:
            await api.perform(api.dialect.check_write(), permits)
    except (HaravanError, RateLimitExceeded):
        return "still_rejected"
    await shops.resume(lease.org)
    return "resumed"


async def _schedule_probe(redis: RedisClient, org: OrgId, *, now_ms: int) -> None:
    """Make the shop due when the next probe is due: the sweep then wakes a drain, which sends it."""
    client: Any = redis
    probe_ms = now_ms + int(AUTH_PROBE_INTERVAL_S * 1000)
    await client.hset(keys.shop(org, "state"), "next_probe_ms", probe_ms)
    await client.zadd(keys.partition_key(org, "due_shops"), {org: probe_ms}, nx=True)
