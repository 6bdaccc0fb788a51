"""The log of API calls: counts by endpoint and status, and the last calls in full."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Final, Literal

from deploy.sandbox.errors import Refused, no_such

ENDPOINTS: Final = (
    "GET customers", "POST customers", "GET customer", "PUT customer", "DELETE customer", "GET count", "GET search",
    "POST tags", "DELETE tags", "GET groups", "GET shop", "GET orders", "GET addresses", "GET address",
    "GET metafields", "GET metafields count", "POST metafields", "GET metafield", "PUT metafield", "DELETE metafield",
    "GET subscribe", "POST subscribe", "DELETE subscribe",
)  # fmt: skip
"""The names of all endpoints, by which calls are counted and faults are limited."""


def check_endpoint(pattern: str) -> None:
    """Raises Refused, with the nearest names, if the name or pattern (`GET *`) matches no endpoint."""
    if any(fnmatchcase(name, pattern) for name in ENDPOINTS):
        return
    raise Refused(no_such("endpoint", pattern, ENDPOINTS))


@dataclass(slots=True)
class Call:
    """One call. `endpoint` is a name such as `POST tags`. `status` is None until the call is answered, and 0 if
    the caller got no response. `customers` are the ids in the path or in the `ids` filter."""

    endpoint: str
    dialect: str
    method: str
    path: str
    query: dict[str, str]
    customers: tuple[int, ...]
    body: bytes
    at: float
    status: int | None = None

    @property
    def customer(self) -> int | None:
        return self.customers[0] if len(self.customers) == 1 else None


@dataclass(slots=True)
class Calls:
    """Counts since the last reset, and the last 10,000 calls."""

    last: deque[Call] = field(default_factory=lambda: deque(maxlen=10_000))
    _counts: Counter[tuple[str, int]] = field(default_factory=Counter)

    def note(self, call: Call) -> None:
        self.last.append(call)
        self._counts[call.endpoint, call.status or 0] += 1

    def count(self, endpoint: str | None = None, *, status: int | None = None) -> int:
        """The number of calls, including throttled and failed ones, optionally of one endpoint or status."""
        return sum(
            number
            for (name, answered), number in self._counts.items()
            if endpoint in (None, name) and status in (None, answered)
        )

    def by_endpoint(self) -> dict[str, int]:
        totals: Counter[str] = Counter()
        for (name, _), number in self._counts.items():
            totals[name] += number
        return dict(totals)

    def by_status(self) -> dict[int, int]:
        totals: Counter[int] = Counter()
        for (_, status), number in self._counts.items():
            totals[status] += number
        return dict(totals)

    def reset(self) -> None:
        self.last.clear()
        self._counts.clear()


Moment = Literal["before", "after"]


@dataclass(slots=True)
class Hook:
    """An action just before a call takes effect, or between its effect and its response."""

    matches: Callable[[Call], bool]
    action: Callable[[], object | Awaitable[object]]
    moment: Moment
    times: int | None


@dataclass(slots=True)
class Hooks:
    """The hooks of one shop, in the order in which they were added."""

    hooks: list[Hook] = field(default_factory=list)

    def due(self, call: Call, moment: Moment) -> list[Hook]:
        """The hooks that this call triggers. Each use is counted; a used-up hook is removed."""
        found = [hook for hook in self.hooks if hook.moment == moment and hook.matches(call)]
        for hook in found:
            if hook.times is not None:
                hook.times -= 1
        self.hooks = [hook for hook in self.hooks if hook.times is None or hook.times > 0]
        return found
