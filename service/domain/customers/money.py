"""Amounts of money as whole numbers of ten-thousandths of a unit: Haravan prints four decimals.

Comparisons are exact: `9999999.9999` is below ten million. Only display rounds.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal, InvalidOperation
from typing import Final

# Decimals that people write in a currency.
CURRENCY_EXPONENTS: Final[Mapping[str, int]] = {"VND": 0, "JPY": 0, "KRW": 0}
DEFAULT_EXPONENT: Final = 2
TEN_THOUSANDTHS: Final = 10_000  # in one unit of any currency
MAX_AMOUNT: Final = 10**15  # in units
_EXPONENT: Final = -4
_STEP: Final = Decimal(1).scaleb(_EXPONENT)
_LOWEST: Final = -(2**63)  # a snapshot (msgpack) cannot hold less


class AmountTooLarge(ValueError):
    """An amount is beyond 10^15 units, or no finite number."""


def to_ten_thousandths(amount: Decimal) -> int:
    """Convert an amount in units. Digits beyond the fourth decimal are rounded down, so rounding never reaches a limit.

    Raises AmountTooLarge.
    """
    # Compare before any arithmetic, which would overflow for 1e1000000.
    if not amount.is_finite() or not -MAX_AMOUNT <= amount <= MAX_AMOUNT:
        raise AmountTooLarge("the amount is too large")
    exact = amount.quantize(_STEP, ROUND_FLOOR)
    value = int(exact.scaleb(-_EXPONENT))
    if value < _LOWEST:
        raise AmountTooLarge("the amount is too large")
    return value


def round_for_display(value: int, currency: str, *, up: bool = False) -> Decimal:
    """Round ten-thousandths to the decimals that people write in this currency.

    Amounts round down, because 9,999,999.9999 must not appear as ten million. Use `up` for the difference to a
    limit, because a missing amount must not appear as zero.
    """
    step = Decimal(1).scaleb(-CURRENCY_EXPONENTS.get(currency, DEFAULT_EXPONENT))
    return Decimal(value).scaleb(_EXPONENT).quantize(step, ROUND_CEILING if up else ROUND_FLOOR)


def to_units(value: int) -> int | Decimal:
    """Convert ten-thousandths to units, exactly: an int if the amount is whole."""
    whole, fraction = divmod(value, TEN_THOUSANDTHS)
    return Decimal(value).scaleb(_EXPONENT).normalize() if fraction else whole


def exact_decimal(text: str) -> Decimal:
    """Parse a JSON number without the detour through float; NaN if Decimal cannot hold its exponent."""
    try:
        return Decimal(text)
    except InvalidOperation:
        return Decimal("NaN")
