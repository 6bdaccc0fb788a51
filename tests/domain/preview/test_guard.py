"""A publish beyond a limit needs approval, and its cost counts fetches and writes."""

from __future__ import annotations

import pytest

from service.domain.preview.guard import check_guard, estimate_cost
from service.domain.preview.impact import Preview


def preview_of(
    *, customers: int = 100_000, touched: int = 0, adding: int = 0, removing: int = 0, removed: int = 0
) -> Preview:
    return Preview(
        customers=customers,
        touched=touched,
        adding=adding,
        removing=removing,
        added=adding,
        removed=removed,
        tags=(),
        tiers=(),
        matched={},
        undecided={},
    )


@pytest.mark.parametrize(
    ("preview", "why"),
    [
        (preview_of(touched=5_000), ()),
        (preview_of(touched=5_001), ("share",)),
        (preview_of(removed=2_000), ()),
        (preview_of(removed=2_001), ("removals",)),
        (preview_of(customers=10, touched=1, removed=3_000), ("share", "removals")),
        (preview_of(customers=0), ()),
    ],
    ids=["5 %", "more than 5 %", "2000 removals", "2001 removals", "both", "no customers"],
)
def test_a_publish_beyond_a_limit_needs_approval(preview: Preview, why: tuple[str, ...]) -> None:
    guard = check_guard(preview)

    assert (guard.needs_approval, guard.why) == (bool(why), why)


def test_a_swap_costs_two_calls_or_one_if_the_dialect_writes_all_tags_at_once() -> None:
    swap = preview_of(touched=100, adding=100, removing=100)

    assert estimate_cost(swap).calls == 2 + 200
    assert estimate_cost(swap, one_call=True).calls == 2 + 100
    assert estimate_cost(swap).seconds == 50
