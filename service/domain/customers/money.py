"""Amounts of money: whole numbers of ten-thousandths of a currency's unit, which is how exactly Haravan prints them.

They are compared as they are: `9999999.9999` is below ten million. They are rounded for display only.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal, InvalidOperation
from typing import Final

CURRENCY_EXPONENTS: Final[Mapping[str, int]] = {"VND": 0, "JPY": 0, "KRW": 0}  # decimals that people write
DEFAULT_EXPONENT: Final = 2
TEN_THOUSANDTHS: Final = 10_000  # in one unit of any currency
MAX_AMOUNT: Final = 10**15  # in units
_EXPONENT: Final = -4
_STEP: Final = Decimal(1).scaleb(_EXPONENT)
_LOWEST: Final = -(2**63)  # a snapshot (msgpack) cannot hold less


def to_ten_thousandths(amount: Decimal) -> int:
    """Convert an amount in units; a finer one is rounded down, so that it never reaches a limit by rounding.

    Raises ValueError if it is not a number or beyond 10^15.
    """
    # Compare before any arithmetic: that would overflow for 1e1000000.
    if not amount.is_finite() or not -MAX_AMOUNT <= amount <= MAX_AMOUNT:
        raise ValueError("the amount is too large")
    exact = amount.quantize(_STEP, ROUND_FLOOR)
    value = int(exact.scaleb(-_EXPONENT))
    if value < _LOWEST:
        raise ValueError("the amount is too large")
    return value


def round_for_display(value: int, currency: str, *, up: bool = False) -> Decimal:
    """Round ten-thousandths to the decimals that people write, for display.

    Amounts are rounded down, because 9,999,999.9999 must not be shown as ten million. A difference to a limit is
    rounded up: what is missing is never shown as nothing.
    """
    step = Decimal(1).scaleb(-CURRENCY_EXPONENTS.get(currency, DEFAULT_EXPONENT))
    return Decimal(value).scaleb(_EXPONENT).quantize(step, ROUND_CEILING if up else ROUND_FLOOR)


def to_units(value: int) -> int | Decimal:
    """Convert ten-thousandths to units, exactly: an int if the amount is whole."""
    whole, fraction = divmod(value, TEN_THOUSANDTHS)
    return Decimal(value).scaleb(_EXPONENT).normalize() if fraction else whole


def exact_decimal(text: str) -> Decimal:
    """Parse a JSON number without passing a float; NaN for an exponent that Decimal cannot hold."""
    try:
        return Decimal(text)
    except InvalidOperation:
        return Decimal("NaN")
