"""Amounts of money: stored as ten-thousandths, printed in the format of each API."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal

Money = int
"""Ten-thousandths of the currency's unit, because the Omni API prints four decimals."""


def parse(amount: int | float | str | Decimal) -> Money:
    """Raises ArithmeticError (decimal.InvalidOperation) for text that is not a number."""
    return int((Decimal(str(amount)) * 10_000).to_integral_value(ROUND_HALF_EVEN))


def format_omni(amount: Money) -> bytes:
    """`261380000.0000`, the bytes of a JSON number."""
    sign, whole = ("-", -amount) if amount < 0 else ("", amount)
    return f"{sign}{whole // 10_000}.{whole % 10_000:04d}".encode()


def format_admin(amount: Money) -> str:
    """`41.94`, rounded to two decimals."""
    return str((Decimal(amount) / 10_000).quantize(Decimal("0.01")))
