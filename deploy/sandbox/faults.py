"""Faults on request: failing, slow, lost and wrong responses, for the next calls or at a rate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from fnmatch import fnmatchcase
from random import Random
from typing import Any, Final, Literal

from deploy.sandbox.call_log import Call, check_endpoint
from deploy.sandbox.errors import Refused

Spelling = Literal["ok", "lower", "upper"]
IdsMode = Literal["ok", "ignored", "omit", "extra", "reorder"]
FaultKind = Literal["fail", "timeout", "throttle", "lose_answer", "disagree"]

MIN_STATUS: Final = 200
MAX_STATUS: Final = 599
PROXY_ERRORS: Final = frozenset({502, 503, 504, *range(520, 531)})
"""What a proxy in front of the API answers, in HTML. 520 to 530 are Cloudflare's."""


@dataclass(slots=True)
class Fault:
    """One fault, for the next `left` calls or with probability `rate`. `effect`: the call takes effect anyway."""

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

    def matches(self, call: Call) -> bool:
        return (self.endpoint is None or fnmatchcase(call.endpoint, self.endpoint)) and (
            self.customer is None or self.customer in call.customers
        )


@dataclass(slots=True)
class Faults:
    """The faults of one shop. `clear()` turns all of them off.

    `endpoint` is a name or a pattern: `POST tags`, `* tags`, `GET *`. Without `next` and `rate` a fault
    happens once. `customer` limits it to calls with this customer's id, including lists by ids.
    `active()` lists the faults that still wait for a call.

    `latency_s` delays every call. `lag_s` makes lists return old data. `ids_mode` says what the `ids` filter
    does wrong: it is ignored, or omits, adds or reorders records. `tag_spelling` changes the case of added
    tags. `coarse_updated_at` cuts `updated_at` to milliseconds on reads. `missing_fields` and `null_fields`
    are left out of records, or null.
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
        next: int | None = None,  # noqa: A002 - reads well in a call: fail(502, next=1)
        rate: float | None = None,
        endpoint: str | None = None,
        customer: int | None = None,
        html: bool | None = None,
        body: str | None = None,
        effect: bool = False,
    ) -> None:
        """Answer with `status`, from 200 to 599; those of a proxy (502 to 504, 520 to 530) as HTML by default.

        With `effect` the call takes effect anyway. Raises Refused for a status that no server can answer.
        """
        if not MIN_STATUS <= status <= MAX_STATUS:
            raise Refused(f"status must be from {MIN_STATUS} to {MAX_STATUS}, not {status}")
        self._add(
            Fault(
                "fail",
                endpoint,
                customer,
                status=status,
                html=status in PROXY_ERRORS if html is None else html,
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
        """Send no response for `seconds` or until the caller disconnects, then drop the connection."""
        self._add(Fault("timeout", endpoint, customer, seconds=seconds, effect=effect), next, rate)

    def throttle(
        self,
        retry_after: float = 2.0,
        *,
        next: int | None = None,  # noqa: A002
        rate: float | None = None,
        endpoint: str | None = None,
    ) -> None:
        """Answer 429 and, like a full bucket, reject every call until `retry_after` has passed."""
        self._add(Fault("throttle", endpoint, seconds=retry_after), next, rate)

    def lose_answer(
        self,
        *,
        next: int | None = None,  # noqa: A002
        rate: float | None = None,
        endpoint: str | None = "* tags",
        customer: int | None = None,
    ) -> None:
        """Let the call take effect, then drop the connection without a response."""
        self._add(Fault("lose_answer", endpoint, customer, effect=True), next, rate)

    def disagree(
        self,
        *,
        next: int | None = None,  # noqa: A002
        rate: float | None = None,
        endpoint: str | None = "* tags",
        customer: int | None = None,
    ) -> None:
        """Answer a tag write with the customer's previous tags, although the write took effect."""
        self._add(Fault("disagree", endpoint, customer, effect=True), next, rate)

    def clear(self) -> None:
        """Turn everything off."""
        fresh = Faults(rng=self.rng)
        for switch in fields(self):
            setattr(self, switch.name, getattr(fresh, switch.name))

    def active(self) -> list[dict[str, Any]]:
        """The faults that wait for a call, in the order in which they are tried. `next` is None for a rate."""
        return [_describe(fault) for fault in self.queue]

    def draw(self, call: Call) -> Fault | None:
        """The fault for this call, if any. Each use is counted."""
        for fault in self.queue:
            if fault.matches(call) and (fault.rate >= 1 or self.rng.random() < fault.rate):
                if fault.left is not None:
                    fault.left -= 1
                    if fault.left <= 0:
                        self.queue.remove(fault)
                return fault
        return None

    def _add(self, fault: Fault, next_calls: int | None, rate: float | None) -> None:
        if fault.endpoint is not None:
            check_endpoint(fault.endpoint)
        if next_calls is not None and next_calls < 1:
            raise Refused(f"next must be at least 1, not {next_calls}")
        if rate is not None and not 0 <= rate <= 1:
            raise Refused(f"rate must be from 0 to 1, not {rate}")
        fault.left = next_calls if next_calls is not None or rate is not None else 1
        fault.rate = 1.0 if rate is None else rate
        self.queue.append(fault)


_SHOWN: Final[Mapping[FaultKind, tuple[str, ...]]] = {
    "fail": ("status", "html", "effect"),
    "timeout": ("seconds", "effect"),
    "throttle": ("seconds",),
    "lose_answer": (),
    "disagree": (),
}


def _describe(fault: Fault) -> dict[str, Any]:
    values = asdict(fault)
    shown = {name: values[name] for name in ("endpoint", "customer", *_SHOWN[fault.kind])}
    return {"fault": fault.kind, "next": fault.left, "rate": fault.rate, **shown}
