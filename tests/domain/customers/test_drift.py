"""Tags that people or other apps changed."""

from __future__ import annotations

import pytest

from service.domain.customers.customer import Customer
from service.domain.customers.drift import ExternalChange, changed_since, external_changes, latest_changes


def _customer(*tags: str, updated_ms: int | None = 1_000) -> Customer:
    return Customer(id=7, tags=tags, updated_ms=updated_ms)


@pytest.mark.parametrize(
    ("previous", "current", "ignore", "changes"),
    [
        pytest.param(("Sỉ",), ("Sỉ", "VIP"), (), ["+VIP"], id="added by hand"),
        pytest.param(("Sỉ", "VIP"), ("Sỉ",), (), ["-VIP"], id="removed by hand, not ours"),
        pytest.param((), ("VIP",), ("vip",), [], id="added by us"),
        pytest.param(("VIP",), (), ("vip",), [], id="ours and not in the record yet"),
        pytest.param(("vip",), ("VIP",), (), [], id="another spelling is the same tag"),
        pytest.param(("A", "B"), ("C", "B"), (), ["-A", "+C"], id="one replaced by another"),
        pytest.param(None, ("VIP",), (), [], id="first record"),
    ],
)
def test_tags_that_people_added_or_removed_are_listed(
    previous: tuple[str, ...] | None,
    current: tuple[str, ...],
    ignore: tuple[str, ...],
    changes: list[str],
) -> None:
    assert changes == external_changes(
        previous=None if previous is None else _customer(*previous),
        current=_customer(*current, updated_ms=2_000),
        ignore=ignore,
    )


@pytest.mark.parametrize(
    ("before_ms", "after_ms", "is_trusted"),
    [(1_000, 2_000, True), (1_000, 1_000, False), (2_000, 1_000, False), (None, 1_000, True)],
)
def test_a_record_that_is_not_newer_is_ignored_because_it_may_lack_our_own_write(
    before_ms: int | None, after_ms: int, is_trusted: bool
) -> None:
    changes = external_changes(
        previous=_customer(updated_ms=before_ms),
        current=_customer("VIP", updated_ms=after_ms),
        ignore=(),
    )

    assert changes == (["+VIP"] if is_trusted else [])


def test_the_latest_change_of_a_tag_counts_in_any_spelling() -> None:
    changes = latest_changes(
        [ExternalChange("VIP", added=False, at_ms=50), ExternalChange("vip", added=True, at_ms=40)]
    )

    assert changes == {"vip": ExternalChange("VIP", added=False, at_ms=50)}
    assert changed_since(changes, "Vip", after_ms=49)
    assert not changed_since(changes, "VIP", after_ms=50)
    assert not changed_since(changes, "Khác", after_ms=0)
