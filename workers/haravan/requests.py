"""What is asked of Haravan and what it answers, as values: nothing here touches a socket."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeVar

from service.domain.customers import CustomerId

Kind = Literal["read", "write"]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Request:
    """One API call.

    `endpoint` is its constant name, for metrics and messages: the method and a noun, as in `POST tags`.
    `path` goes behind the dialect's address. `json` is sent as the body, whatever the method. `customer` is
    set where the path names one: only there a 404 means that the customer is gone.
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
    def kind(self) -> Kind:
        return "read" if self.method == "GET" else "write"


@dataclass(frozen=True, slots=True)
class Response:
    """One answer, whole. `headers` finds its names in any case (aiohttp's do)."""

    status: int
    headers: Mapping[str, str]
    body: bytes


Call = Generator[Request, Response, T]
"""A call of one or more requests: it yields each, is sent the answer, and returns a value or raises of errors.py."""
