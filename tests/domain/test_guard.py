"""What a publish costs, and when it needs an approval."""

from __future__ import annotations

import pytest

from service.domain.preview.impact import Preview, check_guard, estimate_cost


def shown(
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
    )


@pytest.mark.parametrize(
    ("preview", "why"),
    [
        (shown(touched=5_000), ()),
        (shown(touched=5_001), ("share",)),
        (shown(removed=2_000), ()),
        (shown(removed=2_001), ("removals",)),
        (shown(customers=10, touched=1, removed=3_000), ("share", "removals")),
        (shown(customers=0), ()),
    ],
    ids=["one in twenty", "one more", "two thousand removals", "one removal more", "both", "nobody known"],
)
def test_a_publish_beyond_a_limit_needs_an_approval(preview: Preview, why: tuple[str, ...]) -> None:
    verdict = check_guard(preview)

    assert (verdict.needs_approval, verdict.why) == (bool(why), why)


def test_a_swap_costs_two_calls_or_one_where_the_dialect_writes_all_tags_at_once() -> None:
    swap = shown(touched=100, adding=100, removing=100)

    assert estimate_cost(swap).calls == 2 + 200
    assert estimate_cost(swap, one_call=True).calls == 2 + 100
    assert estimate_cost(swap).seconds == 50
