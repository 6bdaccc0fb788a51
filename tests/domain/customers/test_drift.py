"""What others did to a customer's tags."""

from __future__ import annotations

import pytest

from service.domain.customers.customer import Customer
from service.domain.customers.drift import ExternalChange, changed_since, external_changes, latest_changes


def _customer(*tags: str, updated_ms: int | None = 1_000) -> Customer:
    return Customer(id=7, tags=tags, updated_ms=updated_ms)


@pytest.mark.parametrize(
    ("seen", "record", "ours", "told"),
    [
        pytest.param(("Sỉ",), ("Sỉ", "VIP"), (), ["+VIP"], id="put on by hand"),
        pytest.param(("Sỉ", "VIP"), ("Sỉ",), (), ["-VIP"], id="taken off by hand, not ours"),
        pytest.param((), ("VIP",), ("vip",), [], id="put on by us"),
        pytest.param(("VIP",), (), ("vip",), [], id="ours and not shown yet"),
        pytest.param(("vip",), ("VIP",), (), [], id="spelled otherwise is the same tag"),
        pytest.param(("A", "B"), ("C", "B"), (), ["-A", "+C"], id="one for another"),
        pytest.param(None, ("VIP",), (), [], id="the first look tells nothing"),
    ],
)
def test_what_others_did_to_the_tags_is_told(
    seen: tuple[str, ...] | None,
    record: tuple[str, ...],
    ours: tuple[str, ...],
    told: list[str],
) -> None:
    before = None if seen is None else _customer(*seen)

    found = external_changes(previous=before, current=_customer(*record, updated_ms=2_000), ignore=ours)

    assert found == told


@pytest.mark.parametrize(
    ("before_ms", "after_ms", "believed"),
    [(1_000, 2_000, True), (1_000, 1_000, False), (2_000, 1_000, False), (None, 1_000, True)],
)
def test_a_record_that_is_not_newer_may_lag_behind_our_own_write(
    before_ms: int | None, after_ms: int, believed: bool
) -> None:
    found = external_changes(
        previous=_customer(updated_ms=before_ms),
        current=_customer("VIP", updated_ms=after_ms),
        ignore=(),
    )

    assert found == (["+VIP"] if believed else [])


def test_a_touch_counts_after_a_moment_and_whatever_the_spelling() -> None:
    touches = latest_changes(
        [ExternalChange("VIP", added=False, at_ms=50), ExternalChange("vip", added=True, at_ms=40)]
    )

    assert touches == {"vip": ExternalChange("VIP", added=False, at_ms=50)}
    assert changed_since(touches, "Vip", after_ms=49)
    assert not changed_since(touches, "VIP", after_ms=50)
    assert not changed_since(touches, "Khác", after_ms=0)
