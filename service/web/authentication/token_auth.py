"""Bearer tokens: those of OPS_TOKENS, which belong to owners, and those in the store."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping

import structlog
from starlette.requests import Request

from service.alerts import Alerts
from service.domain.access import Actor, environment_token, matches, token_name
from service.store.access import tokens
from service.store.client import RedisClient
from service.web.authentication.failures import FailureLimiter, client_of
from service.web.problems import Problem


class TokenAuth:
    """Finds the actor of a request. Log and audit log show the name of the token."""

    def __init__(
        self, redis: RedisClient, environment: Mapping[str, str], *, alerts: Alerts, limiter: FailureLimiter
    ) -> None:
        self._redis = redis
        self._environment = {name: _digest(token) for name, token in environment.items()}
        self._alerts = alerts
        self._limiter = limiter

    async def authenticate(self, request: Request) -> Actor:
        """The actor of the request. Raises Problem 401, or 429 before any work after too many wrong tokens."""
        client = client_of(request.client.host if request.client else None)
        if retry_after_s := self._limiter.retry_after_s(client):
            raise Problem(
                "too-many-failures",
                f"too many requests with a wrong token came from your address: wait {retry_after_s} s, and send a valid one",
                headers={"Retry-After": str(retry_after_s)},
            )
        given = bearer_of(request)
        if not given:
            raise _unauthorized(
                "send `Authorization: Bearer TOKEN`; an owner makes tokens with: tagger tokens add"
            )
        actor = self._from_environment(given) or await self._from_store(given)
        if actor is None:
            self._count_failure(client)
            raise _unauthorized(
                "this token is unknown, revoked or expired; an owner makes another: tagger tokens add"
            )
        structlog.contextvars.bind_contextvars(by=actor.name)
        return actor

    def _from_environment(self, given: str) -> Actor | None:
        """All tokens are compared, each in constant time, so that the time says nothing about them."""
        digest, found = _digest(given), None
        for name, expected in self._environment.items():
            if hmac.compare_digest(digest, expected):
                found = environment_token(name)
        return found

    async def _from_store(self, given: str) -> Actor | None:
        """One look-up, whether the token is known or not; none if the text is no token of ours."""
        name = token_name(given)
        if name is None:
            return None
        use, now_ms = await tokens.find_with_time(self._redis, name)
        if (
            not matches(given, None if use is None else use.token)
            or use is None
            or use.token.is_expired(now_ms)
        ):
            return None
        await tokens.save_use(self._redis, use, now_ms=now_ms)
        return use.token.to_actor()

    def _count_failure(self, client: str) -> None:
        if self._limiter.add_failure(client):
            self._alerts.raise_alert(
                "ops_token_failures",
                f"many requests to the ops API have a wrong token, the latest from {client}. They are answered 429 for a "
                "minute. If it is no script of yours with an old token, block the address at the proxy",
            )


def bearer_of(request: Request) -> str:
    """The bearer token of a request; "" if there is none."""
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    return given.strip() if scheme.lower() == "bearer" else ""


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


def _unauthorized(detail: str) -> Problem:
    return Problem("unauthorized", detail, headers={"WWW-Authenticate": "Bearer"})
