"""The job that asks Haravan about an access token for a request of the ops API, which cannot reach Haravan."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Final

import aiohttp
import structlog

from service.context import Context
from service.domain.customers import OrgId
from service.errors import ApiUnavailable, HaravanError, MalformedData, RateLimited
from service.store.jobs import Counters
from service.store.queue import RateLimiter
from service.store.shops import Shop, TokenAnswer, token_checks
from workers.haravan import (
    Haravan,
    RateLimitExceeded,
    WaitingPermits,
    ask_about_token,
    count_requests,
)

TIMEOUT_S: Final = 18.0  # a little less than the request waits


@dataclass(frozen=True, slots=True)
class TokenChecks:
    """One instance serves a whole process."""

    context: Context
    session: aiohttp.ClientSession
    rate_limiter: RateLimiter
    counters: Counters

    async def __call__(self, org: OrgId, check: str) -> None:
        """Answer one question, if somebody still waits for it. Raises only if Redis is away."""
        redis = self.context.redis
        try:
            shop = await token_checks.load_question(redis, self.context.shops.keyring, org, check)
        except MalformedData as exc:  # this process has another SECRET_KEY
            answer = TokenAnswer(unanswered=str(exc))
        else:
            if shop is None:
                return
            answer = await self._ask(shop)
        outcome = "rejected" if answer.rejected else "unanswered" if answer.unanswered else "answered"
        structlog.get_logger().info("token_check", org=org, outcome=outcome)
        await token_checks.save_answer(redis, org, check, answer)

    async def _ask(self, shop: Shop) -> TokenAnswer:
        api = Haravan.for_shop(shop, self.session, on_request=count_requests(self.counters))
        permits = WaitingPermits(
            self.rate_limiter, shop.org, lane="live", reserve=shop.reserve, max_wait_s=TIMEOUT_S
        )
        try:
            async with asyncio.timeout(TIMEOUT_S):
                return await ask_about_token(api, permits, shop)
        except (RateLimited, ApiUnavailable, RateLimitExceeded) as exc:
            return TokenAnswer(unanswered=str(exc))
        except TimeoutError:
            return TokenAnswer(unanswered=f"Haravan has not answered within {TIMEOUT_S:.0f} s")
        except HaravanError as exc:
            return TokenAnswer(rejected=str(exc))
