"""What the ops API is asked about customers and tags by hand, and what it answers."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, UnsetType

from service.web.ops.models import Answer, Asked, RunLine
from service.web.ops.rule_models import Language, Number

Tag = Annotated[str, Meta(min_length=1, max_length=200, description="Case does not matter")]


class ExplainQuery(Asked, frozen=True):
    """Only one tag, another day, another version of the rules; without them all tags, today, the live version."""

    tag: Annotated[str, Meta(max_length=200)] = ""
    on: date | UnsetType = UNSET
    version: Number | UnsetType = UNSET
    lang: Language = "vi"


class Adopting(Asked, frozen=True):
    """A tag whose copies become ours. With `dry_run` they are only counted."""

    tag: Tag
    matching_only: Annotated[
        bool, Meta(description="Only where the rules would give it now; of a tier the level that they would")
    ] = False
    dry_run: bool = False


class Retracting(Asked, frozen=True):
    """A tag that is removed wherever it is ours. With `dry_run` they are only counted."""

    tag: Tag
    dry_run: bool = False


class Excluding(Asked, frozen=True):
    """The rule's or tier's id. `undo` includes the customer again; with `dry_run` it is only looked at."""

    rule: Annotated[str, Meta(min_length=1, max_length=200)]
    undo: bool = False
    dry_run: bool = False


class Claimed(Answer, frozen=True):
    """How many copies change hands, some of the customers, and the run unless it was only counted."""

    tag: str
    what: Literal["adopt", "retract"]
    customers: int
    samples: list[int]
    run: RunLine | None


class Excluded(Answer, frozen=True):
    """Whether that is news, and what the customer's next turn then does; null where we never looked at it."""

    customer: int
    rule: str
    undo: bool
    news: bool
    add: list[str] | None
    remove: list[str] | None


class ExplainedCustomer(Answer, frozen=True):
    """Why a customer has its tags or not: whose each tag is, what every rule says, what we wrote."""

    customer: int
    day: str
    version: int
    tags: list[dict[str, Any]]
    add: list[str]
    remove: list[str]
    next_change: str | None
    rules: list[dict[str, Any]]
    tiers: list[dict[str, Any]]
    excluded: list[str]
    under_way: list[dict[str, Any]]
    stopped: list[str]
    changed_by_others: list[dict[str, Any]]
    ledger: list[dict[str, Any]]
    dead_letters: list[dict[str, Any]]
    deliveries: list[dict[str, Any]]
    waiting: bool
    shadow: bool
