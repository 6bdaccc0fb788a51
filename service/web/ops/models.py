"""What the ops API is asked and what it answers. These types are also its OpenAPI schemas."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from service.domain.customers import MAX_ID

CustomerNumber = Annotated[int, Meta(ge=1, le=MAX_ID)]
Moment = Annotated[datetime, Meta(tz=True, description="RFC 3339, with an offset")]
Reason = Annotated[str, Meta(min_length=1, max_length=200)]
Topic = Annotated[str, Meta(min_length=1, max_length=64)]
Order = Annotated[str, Meta(pattern=r"^[0-9]{1,15}-[0-9]{1,9}(\.[0-9]{1,4})?$")]


class Asked(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A request's body or query; a field that we do not know is a mistake."""


class Answer(msgspec.Struct, frozen=True):
    """A response's body."""


class Pausing(Asked, frozen=True):
    """Why the shop is paused."""

    reason: Reason


class TimeQuery(Asked, frozen=True):
    """A span of time; `before` is the last page's, to go on from there."""

    since: Moment | UnsetType = UNSET
    until: Moment | UnsetType = UNSET
    before: Order | UnsetType = UNSET
    limit: Annotated[int, Meta(ge=1, le=1000)] = 100


class DeliveriesQuery(TimeQuery, frozen=True):
    """The same, of one customer where that is given: then its last 50 deliveries are looked at."""

    customer: CustomerNumber | UnsetType = UNSET


class Replaying(Asked, frozen=True):
    """Exactly one of customers, since, dead_letters, everybody. With `dry_run` it is only counted."""

    customers: Annotated[list[CustomerNumber], Meta(min_length=1, max_length=10_000)] | UnsetType = UNSET
    since: Moment | UnsetType = UNSET
    until: Moment | UnsetType = UNSET
    topics: Annotated[list[Topic], Meta(min_length=1, max_length=20)] | UnsetType = UNSET
    dead_letters: bool = False
    everybody: bool = False
    dry_run: bool = False
    reason: Annotated[str, Meta(max_length=200)] = ""


class AuditQuery(Asked, frozen=True):
    """How many."""

    limit: Annotated[int, Meta(ge=1, le=1000)] = 100


class Retrying(Asked, frozen=True):
    """Whose dead letters are tried again; without customers all of them."""

    customers: Annotated[list[CustomerNumber], Meta(min_length=1, max_length=10_000)] | UnsetType = UNSET


class ShopStatus(Answer, frozen=True):
    """A shop and how its work stands."""

    org: str
    name: str
    dialect: str
    api_url: str
    timezone: str
    currency: str
    reserve: int
    shadow: bool
    paused: str
    paused_since_ms: int
    paused_by: str
    removals_paused: str
    due: dict[str, int]
    oldest_due_s: float
    dead_letters: int
    bucket_level: float


class ShopList(Answer, frozen=True):
    """Every shop."""

    shops: list[ShopStatus]


class DeliveryLine(Answer, frozen=True):
    """One recorded delivery; bodies are never kept."""

    id: str
    at_ms: int
    customer: int | None
    outcome: str
    repeat: bool
    topic: str
    sha256: str
    size: int
    test: bool
    org: str


class DeliveryList(Answer, frozen=True):
    """Newest first; `before` is null on the last page."""

    deliveries: list[DeliveryLine]
    before: str | None


class DeadLetterLine(Answer, frozen=True):
    """One open dead letter."""

    customer: int
    cause: str
    text: str
    first_ms: int
    last_ms: int
    count: int
    transient: bool


class DeadLetterList(Answer, frozen=True):
    """The oldest first."""

    dead_letters: list[DeadLetterLine]


class Retried(Answer, frozen=True):
    """How many customers will be looked at again."""

    customers: int


class RunLine(Answer, frozen=True):
    """A replay, publish or walk as it stands: `total` customers, of whom `left` are still to come."""

    id: str
    kind: str
    by: str
    reason: str
    started_ms: int
    total: int
    left: int
    done: int
    failed: int
    added: int
    removed: int
    ended: str


class RunList(Answer, frozen=True):
    """The newest first."""

    runs: list[RunLine]


class Replayed(Answer, frozen=True):
    """What a replay would look at, and its run unless it was only counted."""

    customers: int
    selection: str
    run: RunLine | None


class LateAnswer(Answer, frozen=True):
    """An answer that takes long. `status` is 202 until it is there, then that of `answer`, which may be an error's."""

    id: str
    operation: str
    status: int
    answer: dict[str, Any] | None


class DeedLine(Answer, frozen=True):
    """One thing that somebody did; `about` holds numbers and names of it."""

    at_ms: int
    by: str
    what: str
    about: dict[str, Any]


class DeedList(Answer, frozen=True):
    """The newest first."""

    deeds: list[DeedLine]


class RuleProblem(Answer, frozen=True):
    """One problem of a rules document; `line` and `column` count from 1, both are 0 where it came as an object."""

    line: int
    column: int
    path: str
    kind: str
    message: str
    part: str


class Approval(Answer, frozen=True):
    """Which limit a publish goes beyond, and by how much."""

    why: list[Literal["share", "removals"]]
    customers: int
    touched: int
    most_customers: int
    removed: int
    most_removed: int


class Fault(Answer, frozen=True):
    """An error (RFC 9457). `problems`: all that is wrong with a rules document; `approval`: why it needs one."""

    type: str
    title: str
    status: int
    detail: str
    problems: list[RuleProblem] | UnsetType = UNSET
    approval: Approval | UnsetType = UNSET
