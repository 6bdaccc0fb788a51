"""The cost of a publish in API calls, and the guard that decides whether it needs approval."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from service.domain.preview.impact import Preview

MAX_SHARE: Final = 0.05  # of the customers
MAX_REMOVED: Final = 2_000  # tags
BATCH_SIZE: Final = 50  # customers that one call fetches
CALLS_PER_S: Final = 4.0


class WriteCost(msgspec.Struct, frozen=True):
    """The API calls of a publish, and how long they take if the shop has no other work."""

    calls: int
    seconds: int


class PublishGuard(msgspec.Struct, frozen=True):
    """Whether a publish needs approval. `why` names the limits that it exceeds."""

    needs_approval: bool
    why: tuple[Literal["share", "removals"], ...] = ()
    most_customers: int = 0
    most_removed: int = MAX_REMOVED


def estimate_cost(preview: Preview, *, one_call: bool = False, per_s: float = CALLS_PER_S) -> WriteCost:
    """Count one call for each batch of customers to fetch, and one or two calls for each customer to write.

    `one_call`: the dialect writes all tags of a customer at once. Otherwise one call adds tags and one removes them.
    """
    writes = preview.touched if one_call else preview.adding + preview.removing
    calls = -(-preview.touched // BATCH_SIZE) + writes
    return WriteCost(calls, round(calls / per_s))


def check_guard(
    preview: Preview,
    *,
    customers: int | None = None,
    max_share: float = MAX_SHARE,
    max_removed: int = MAX_REMOVED,
) -> PublishGuard:
    """Require approval if a publish changes a larger share of the customers or removes more tags.

    `customers` is the size of the shop, None if it was never counted. The known customers may be a small part of it.
    """
    size = max(preview.customers, customers or 0)
    return check_limits(
        touched=preview.touched,
        removed=preview.removed,
        customers=size,
        max_share=max_share,
        max_removed=max_removed,
    )


def check_limits(
    *,
    touched: int,
    removed: int,
    customers: int,
    max_share: float = MAX_SHARE,
    max_removed: int = MAX_REMOVED,
) -> PublishGuard:
    """The same for numbers: customers that change, tags that are removed, and the size of the shop."""
    max_customers = int(customers * max_share)
    why: list[Literal["share", "removals"]] = []
    if touched > max_customers:
        why.append("share")
    if removed > max_removed:
        why.append("removals")
    return PublishGuard(bool(why), tuple(why), max_customers, max_removed)
