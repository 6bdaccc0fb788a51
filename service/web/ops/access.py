"""Who may use the ops API: a Bearer token of OPS_TOKENS, whose name is what log and audit show."""

from __future__ import annotations

import hmac
from collections.abc import Mapping

import structlog
from starlette.requests import Request

from service.web.problems import Problem


class Access:
    """Checks tokens in constant time."""

    def __init__(self, tokens: Mapping[str, str]) -> None:
        self._tokens = {name: token.encode() for name, token in tokens.items()}

    def who(self, request: Request) -> str:
        """The name of the token; raises Problem 401."""
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        name = self._name(given.strip().encode()) if scheme.lower() == "bearer" else ""
        if not name:
            detail = "send `Authorization: Bearer TOKEN` with a token of OPS_TOKENS"
            if not self._tokens:
                detail = "the ops API is closed: OPS_TOKENS is not set"
            raise Problem(401, detail, headers={"WWW-Authenticate": "Bearer"})
        structlog.contextvars.bind_contextvars(by=name)
        return name

    def _name(self, given: bytes) -> str:
        found = ""
        for name, token in self._tokens.items():
            if hmac.compare_digest(given, token):
                found = name
        return found
