"""API requests and responses as values, and calls as generators of them. Nothing here does I/O."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeVar

from service.domain.customers import CustomerId

RequestKind = Literal["read", "write"]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Request:
    """One API request.

    `endpoint` is a constant name for metrics and messages: the method and a noun, as in `POST tags`.
    `path` is relative to the shop's API URL. `json` becomes the body, whatever the method. `customer` is set if
    the path names a customer: only then does a 404 mean that the customer does not exist.
    """

    endpoint: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    json: object | None = None
    customer: CustomerId | None = None

    @property
    def method(self) -> str:
        return self.endpoint.partition(" ")[0]

    @property
    def kind(self) -> RequestKind:
        return "read" if self.method == "GET" else "write"


@dataclass(frozen=True, slots=True)
class Response:
    """One complete response. The lookup in `headers` ignores case (aiohttp's does)."""

    status: int
    headers: Mapping[str, str]
    body: bytes


Call = Generator[Request, Response, T]
"""A call of one or more requests. It yields each request, receives its response, and returns a value or raises a TaggerError."""
