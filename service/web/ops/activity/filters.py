"""Filters of lists and of selections, with the same names everywhere: `since`, `until`, `topic`, `outcome`, `cause`, `customer`.

A query has one value of each; a body has lists, with names in the plural. A filter without parts matches all.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import UNSET, Meta, UnsetType

from service.domain.customers import CustomerId
from service.operations import LetterFilter
from service.store.history import DeliveryFilter
from service.web.ops.contract import CustomerNumber, Moment, PageQuery, RequestModel, to_ms

ShortText = Annotated[str, Meta(min_length=1, max_length=64)]
Names = Annotated[list[ShortText], Meta(min_length=1, max_length=20)]
Group = Annotated[str, Meta(min_length=1, max_length=1000, description="`key` of a group")]
Customers = Annotated[list[CustomerNumber], Meta(min_length=1, max_length=10_000)]


class Span(RequestModel, frozen=True, kw_only=True):
    """A span of time: from `since` on, before `until`."""

    since: Moment | UnsetType = UNSET
    until: Moment | UnsetType = UNSET


class SpanQuery(PageQuery, frozen=True, kw_only=True):
    """A page of what happened in a span of time: from `since` on, before `until`."""

    since: Moment | UnsetType = UNSET
    until: Moment | UnsetType = UNSET


class DeliveriesQuery(SpanQuery, frozen=True, kw_only=True):
    """A page of the deliveries that a filter matches. It may be short or empty before the last page.

    An outcome is `marked`, `echo`, `ignored` (for any reason) or `ignored:reason`.
    """

    topic: ShortText | UnsetType = UNSET
    outcome: ShortText | UnsetType = UNSET

    def to_filter(self) -> DeliveryFilter:
        """The filter of the store."""
        return DeliveryFilter(
            since_ms=to_ms(self.since) or 0,
            until_ms=last_ms(self.until),
            topics=() if self.topic is UNSET else (self.topic,),
            outcomes=() if self.outcome is UNSET else (self.outcome,),
        )


class DeliveriesWanted(Span, frozen=True, kw_only=True):
    """Deliveries by a filter. An outcome is `marked`, `echo`, `ignored` (for any reason) or `ignored:reason`."""

    topics: Names | UnsetType = UNSET
    outcomes: Names | UnsetType = UNSET
    customers: Customers | UnsetType = UNSET

    def to_filter(self) -> DeliveryFilter:
        """The filter of the store."""
        return DeliveryFilter(
            since_ms=to_ms(self.since) or 0,
            until_ms=last_ms(self.until),
            topics=() if self.topics is UNSET else tuple(self.topics),
            outcomes=() if self.outcomes is UNSET else tuple(self.outcomes),
            customers=() if self.customers is UNSET else tuple(map(CustomerId, self.customers)),
        )


class LettersQuery(SpanQuery, frozen=True, kw_only=True):
    """A page of open dead letters by cause, group, customer, and the time of the last failure."""

    cause: ShortText | UnsetType = UNSET
    group: Group | UnsetType = UNSET
    customer: CustomerNumber | UnsetType = UNSET

    def to_filter(self) -> LetterFilter:
        """The filter of the operations."""
        given = None if self.customer is UNSET else frozenset([CustomerId(self.customer)])
        return _letters(self.since, self.until, self.cause, self.group, given)


class LettersWanted(Span, frozen=True, kw_only=True):
    """Open dead letters by cause, group, customers, and the time of the last failure."""

    cause: ShortText | UnsetType = UNSET
    group: Group | UnsetType = UNSET
    customers: Customers | UnsetType = UNSET

    def to_filter(self) -> LetterFilter:
        """The filter of the operations."""
        given = None if self.customers is UNSET else frozenset(map(CustomerId, self.customers))
        return _letters(self.since, self.until, self.cause, self.group, given)


def _letters(
    since: Moment | UnsetType,
    until: Moment | UnsetType,
    cause: str | UnsetType,
    group: str | UnsetType,
    customers: frozenset[CustomerId] | None,
) -> LetterFilter:
    return LetterFilter(
        group="" if group is UNSET else group,
        cause="" if cause is UNSET else cause,
        customers=customers,
        since_ms=to_ms(since) or 0,
        before_ms=to_ms(until),
    )


def last_ms(until: Moment | UnsetType) -> int | None:
    """The last millisecond before `until`, for stores whose spans have both ends in them."""
    end_ms = to_ms(until)
    return None if end_ms is None else max(0, end_ms - 1)
