"""Points in time as the APIs write and read them."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta, tzinfo

Stamp = int
"""Units of 100 ns since 1970 UTC. The seeds have up to seven fractional digits; a datetime holds only six."""

PER_S = 10_000_000
PER_MS = 10_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_FRACTION = re.compile(r"[.,](\d+)")


def from_seconds(seconds: float) -> Stamp:
    return round(seconds * 1_000_000) * 10


def truncate_to_ms(stamp: Stamp) -> Stamp:
    """Cut to milliseconds: later reads return only these, the create response all digits (seeds: Create, then Update)."""
    return stamp - stamp % PER_MS


def format_omni(stamp: Stamp | None) -> str | None:
    """`2021-08-18T05:58:03.3618601Z`: UTC, without trailing zeros, without a fraction when it is zero."""
    if stamp is None:
        return None
    whole, fraction = divmod(stamp, PER_S)
    text = (_EPOCH + timedelta(seconds=whole)).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{text}.{fraction:07d}".rstrip("0") + "Z" if fraction else f"{text}Z"


def format_admin(stamp: Stamp | None, zone: tzinfo) -> str | None:
    """`2015-03-28T13:28:28-04:00`: whole seconds in the shop's time zone."""
    if stamp is None:
        return None
    return (_EPOCH + timedelta(seconds=stamp // PER_S)).astimezone(zone).isoformat()


def from_value(value: str | float | date | datetime | None, zone: tzinfo) -> Stamp | None:
    """Convert text, seconds, a date or a datetime. Values without an offset are in `zone`.

    Raises ValueError if the text is not a date.
    """
    if value is None:
        return None
    if isinstance(value, str):
        return parse(value, zone)
    if isinstance(value, int | float):
        return from_seconds(value)
    if not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day, tzinfo=zone)
    return _from_datetime(value, zone)


def parse(text: str, zone: tzinfo) -> Stamp:
    """Parse an ISO 8601 date or time with any number of fractional digits. Without an offset it is in `zone`.

    Raises ValueError.
    """
    found = _FRACTION.search(text)
    if not found:
        return _from_datetime(datetime.fromisoformat(text), zone)
    bare = text[: found.start()] + text[found.end() :]
    return _from_datetime(datetime.fromisoformat(bare), zone) + int(found[1][:7].ljust(7, "0"))


def _from_datetime(moment: datetime, zone: tzinfo) -> Stamp:
    aware = moment if moment.tzinfo else moment.replace(tzinfo=zone)
    return (aware - _EPOCH) // _MICROSECOND * 10
