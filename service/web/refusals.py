"""Refusals in a row on one connection: the second one closes it, so that pipelining saves an unknown client nothing.

A reverse proxy sends the requests of many clients over one connection. So one refusal does not close it, and an answer to
a client that proved who it is starts the count again.
"""

from __future__ import annotations

from typing import Final

from starlette.types import Scope

MAX_REFUSALS: Final = 2  # on one connection, in a row
REFUSED: Final = frozenset({401, 404, 405, 415})  # what a client without a secret gets
CLOSE: Final = (b"connection", b"close")
KEY: Final = "refusals"  # in the state of each request's scope


class Refusals:
    """The count of one connection."""

    __slots__ = ("count",)

    def __init__(self) -> None:
        self.count = 0


def count_refusal(scope: Scope) -> tuple[tuple[bytes, bytes], ...]:
    """Count a refused request. Returns the headers to add: that the connection closes, or none."""
    refusals = scope.get("state", {}).get(KEY)
    if refusals is None:  # the server is not ours
        return ()
    refusals.count += 1
    return (CLOSE,) if refusals.count >= MAX_REFUSALS else ()


def forget_refusals(scope: Scope) -> None:
    """Start the count of the connection again: the client proved who it is."""
    refusals = scope.get("state", {}).get(KEY)
    if refusals is not None:
        refusals.count = 0
