"""What goes wrong on purpose: failing, slow, lost and untrue answers, for the next calls or at a rate."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from fnmatch import fnmatchcase
from random import Random
from typing import Literal

from .calls import Call

Spelling = Literal["ok", "lower", "upper"]
IdsMode = Literal["ok", "ignored", "omit", "extra", "reorder"]
FaultKind = Literal["fail", "timeout", "throttle", "lose", "disagree"]


@dataclass(slots=True)
class Fault:
    """One thing that goes wrong, for the `left` next calls or with probability `rate`."""

    kind: FaultKind
    endpoint: str | None = None
    customer: int | None = None
    left: int | None = None
    rate: float = 1.0
    status: int = 502
    html: bool = False
    body: bytes | None = None
    effect: bool = False
    seconds: float = 0.0

    def concerns(self, call: Call) -> bool:
        return (self.endpoint is None or fnmatchcase(call.endpoint, self.endpoint)) and (
            self.customer is None or self.customer in call.customers
        )


@dataclass(slots=True)
class Faults:
    """The switches of one shop; `clear()` turns all of them off.

    `endpoint` is a name or a pattern: `POST tags`, `* tags`, `GET *`. Without `next` and `rate`
    a fault strikes once. `customer` narrows it to calls that name this customer, lists by ids included.

    `latency_s` slows every call, `lag_s` makes lists show what was so long ago, `ids_mode` makes the `ids`
    filter be ignored, omit, add or reorder records, `tag_spelling` stores added tags otherwise,
    `coarse_updated_at` cuts it to milliseconds on reads, `missing_fields` and `null_fields` spoil records.
    """

    rng: Random = field(default_factory=lambda: Random(0))
    latency_s: float = 0.0
    lag_s: float = 0.0
    ids_mode: IdsMode = "ok"
    tag_spelling: Spelling = "ok"
    coarse_updated_at: bool = False
    missing_fields: frozenset[str] = frozenset()
    null_fields: frozenset[str] = frozenset()
    queue: list[Fault] = field(default_factory=list)

    def fail(
        self,
        status: int = 502,
        *,
        next: int | None = None,  # noqa: A002 - reads as the sentence it is: fail the next one
        rate: float | None = None,
        endpoint: str | None = None,
        customer: int | None = None,
        html: bool | None = None,
        body: str | None = None,
        effect: bool = False,
    ) -> None:
        """Answer `status`; 502 to 504 as HTML unless told otherwise. With `effect` the call works all the same."""
        self._add(
            Fault(
                "fail",
                endpoint,
                customer,
                status=status,
                html=status in {502, 503, 504} if html is None else html,
                body=None if body is None else body.encode(),
                effect=effect,
            ),
            next,
            rate,
        )

    def timeout(
        self,
        seconds: float = 60.0,
        *,
        next: int | None = None,  # noqa: A002
        rate: float | None = None,
        endpoint: str | None = None,
        customer: int | None = None,
        effect: bool = False,
    ) -> None:
        """Say nothing for `seconds` or until the caller leaves, then drop the connection."""
        self._add(Fault("timeout", endpoint, customer, seconds=seconds, effect=effect), next, rate)

    def throttle(
        self,
        retry_after: float = 2.0,
        *,
        next: int | None = None,  # noqa: A002
        rate: float | None = None,
        endpoint: str | None = None,
    ) -> None:
        """Answer 429 and, as a full bucket does, refuse every call until `retry_after` is over."""
        self._add(Fault("throttle", endpoint, seconds=retry_after), next, rate)

    def lose_answer(
        self,
        *,
        next: int | None = None,  # noqa: A002
        rate: float | None = None,
        endpoint: str | None = "* tags",
        customer: int | None = None,
    ) -> None:
        """Let the call take effect, then drop the connection without an answer."""
        self._add(Fault("lose", endpoint, customer, effect=True), next, rate)

    def disagree(
        self,
        *,
        next: int | None = None,  # noqa: A002
        rate: float | None = None,
        endpoint: str | None = "* tags",
        customer: int | None = None,
    ) -> None:
        """Answer a tag write with a list that is not what the customer has: the change is missing from it."""
        self._add(Fault("disagree", endpoint, customer, effect=True), next, rate)

    def clear(self) -> None:
        """Turn everything off."""
        fresh = Faults(rng=self.rng)
        for switch in fields(self):
            setattr(self, switch.name, getattr(fresh, switch.name))

    def draw(self, call: Call) -> Fault | None:
        """The fault that strikes this call, if any; each use is counted."""
        for fault in self.queue:
            if fault.concerns(call) and (fault.rate >= 1 or self.rng.random() < fault.rate):
                if fault.left is not None:
                    fault.left -= 1
                    if fault.left <= 0:
                        self.queue.remove(fault)
                return fault
        return None

    def _add(self, fault: Fault, next_calls: int | None, rate: float | None) -> None:
        fault.left = next_calls if next_calls is not None or rate is not None else 1
        fault.rate = 1.0 if rate is None else rate
        self.queue.append(fault)
