"""Tags that people or other apps changed: seen by comparing a record with what was known and what is ours."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple

from service.domain.customers.customer import Customer
from service.domain.customers.tags import fold


class ExternalChange(NamedTuple):
    """Somebody other than us put a tag on or took it off; `at_ms` is when we noticed."""

    tag: str
    added: bool
    at_ms: int


ExternalChanges = Mapping[str, ExternalChange]  # folded tag -> the last time it was touched


def changed_since(changes: ExternalChanges, tag: str, *, after_ms: int) -> bool:
    """Was this tag changed by somebody else after that moment?"""
    touch = changes.get(fold(tag))
    return touch is not None and touch.at_ms > after_ms


def latest_changes(touches: Iterable[ExternalChange]) -> dict[str, ExternalChange]:
    """The last touch of each tag, whatever its spelling."""
    return {fold(one.tag): one for one in sorted(touches, key=lambda one: one.at_ms)}


def external_changes(*, previous: Customer | None, current: Customer, ignore: Collection[str]) -> list[str]:
    """What others did to the tags since the customer was `seen`: `-VIP`, `+VIP`. The first look (None) tells nothing.

    `ours`: folded tags that we own or owned, or whose write is still out: what became of these is known otherwise.
    """
    if previous is None or not _is_newer(current, previous):
        return []
    before, after = ({fold(tag): tag for tag in each.tags} for each in (previous, current))
    gone = sorted(before[key] for key in before.keys() - after.keys() - set(ignore))
    new = sorted(after[key] for key in after.keys() - before.keys() - set(ignore))
    return [*(f"-{tag}" for tag in gone), *(f"+{tag}" for tag in new)]


def _is_newer(record: Customer, seen: Customer) -> bool:
    """Has the record been changed since? One that says no may be a list that lags behind a write of ours."""
    if record.updated_ms is None or seen.updated_ms is None:
        return True
    return record.updated_ms > seen.updated_ms
