"""Drift: tags that people or other apps added or removed, found by comparing two records of a customer."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple

from service.domain.customers.customer import Customer
from service.domain.customers.tags import fold


class ExternalChange(NamedTuple):
    """A person or another app added or removed a tag; `at_ms` is when we noticed."""

    tag: str
    added: bool
    at_ms: int


ExternalChanges = Mapping[str, ExternalChange]  # folded tag -> its latest change


def changed_since(changes: ExternalChanges, tag: str, *, after_ms: int) -> bool:
    """Whether a person or another app changed this tag later than `after_ms`."""
    change = changes.get(fold(tag))
    return change is not None and change.at_ms > after_ms


def latest_changes(changes: Iterable[ExternalChange]) -> dict[str, ExternalChange]:
    """Keep the latest change of each tag by its folded key."""
    return {fold(change.tag): change for change in sorted(changes, key=lambda change: change.at_ms)}


def external_changes(*, previous: Customer | None, current: Customer, ignore: Collection[str]) -> list[str]:
    """List the tags that people or other apps removed (`-VIP`) or added (`+VIP`) between two records.

    The list is empty for the first record of a customer (`previous` is None). `ignore`: folded tags that we own or
    owned, or whose write is pending; reverts of these are detected elsewhere.
    """
    if previous is None or not _is_newer(current, previous):
        return []
    before, after = ({fold(tag): tag for tag in customer.tags} for customer in (previous, current))
    removed = sorted(before[key] for key in before.keys() - after.keys() - set(ignore))
    added = sorted(after[key] for key in after.keys() - before.keys() - set(ignore))
    return [*(f"-{tag}" for tag in removed), *(f"+{tag}" for tag in added)]


def _is_newer(current: Customer, previous: Customer) -> bool:
    """False for a list that Haravan has not updated yet: it may lack a write of our own."""
    if current.updated_ms is None or previous.updated_ms is None:
        return True
    return current.updated_ms > previous.updated_ms
