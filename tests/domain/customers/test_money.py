"""Amounts: exact as Haravan prints them, rounded only where they are shown."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain.customers.money import (
    MAX_AMOUNT,
    exact_decimal,
    round_for_display,
    to_ten_thousandths,
    to_units,
)
from service.domain.explain.wording import Translator
from service.locales import translator_for


@given(st.integers(-MAX_AMOUNT // 2, MAX_AMOUNT), st.integers(0, 9999))
def test_an_amount_of_four_decimals_is_kept_as_it_is(whole: int, fraction: int) -> None:
    amount = Decimal(whole) + Decimal(fraction) / 10_000

    if amount <= MAX_AMOUNT:
        assert to_ten_thousandths(amount) == whole * 10_000 + fraction


@given(st.decimals(allow_nan=True, allow_infinity=True))
def test_no_number_raises_anything_but_value_error(amount: Decimal) -> None:
    try:
        value = to_ten_thousandths(amount)
    except ValueError:
        assert not amount.is_finite() or abs(amount) > MAX_AMOUNT // 2
    else:
        assert Decimal(value).scaleb(-4) <= amount


@pytest.mark.parametrize(
    "text", ["1e1000000", "-1e1000000", "NaN", "sNaN", "-Infinity", "1000000000000000.0001", "-1e15"]
)
def test_infinite_and_too_large_amounts_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="too large"):
        to_ten_thousandths(exact_decimal(text))


def test_a_number_that_decimal_cannot_hold_is_nan() -> None:
    assert exact_decimal("1e99999999999999999999").is_nan()


@pytest.mark.parametrize(
    ("value", "currency", "amount", "difference"),
    [
        pytest.param(9_999_999_9999, "VND", "9999999", "10000000", id="almost ten million"),
        pytest.param(1, "VND", "0", "1", id="the smallest difference"),
        pytest.param(41_9400, "USD", "41.94", "41.94", id="whole cents"),
        pytest.param(41_9401, "USD", "41.94", "41.95", id="more than whole cents"),
        pytest.param(-1, "VND", "-1", "0", id="below zero"),
    ],
)
def test_amounts_are_shown_rounded_down_and_differences_up(
    value: int, currency: str, amount: str, difference: str
) -> None:
    assert (round_for_display(value, currency), round_for_display(value, currency, up=True)) == (
        Decimal(amount),
        Decimal(difference),
    )


@given(st.integers(-(2**63), 2**63 - 1))
def test_an_amount_in_units_is_exact_and_an_integer_if_it_is_whole(value: int) -> None:
    units = to_units(value)

    assert to_ten_thousandths(Decimal(units)) == value if abs(value) <= MAX_AMOUNT * 10_000 else True
    assert isinstance(units, int) is (value % 10_000 == 0)


@pytest.mark.parametrize(
    ("language", "shown"), [(translator_for("vi"), "9.999.999 ₫"), (translator_for("en"), "₫9,999,999")]
)
def test_an_amount_below_a_limit_is_never_shown_as_the_limit(language: Translator, shown: str) -> None:
    assert language.money(9_999_999_9999, "VND") == shown
