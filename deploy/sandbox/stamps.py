"""Moments as the API writes and reads them: whole steps of 100 ns, printed in each dialect's way."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta, tzinfo

Stamp = int
"""100 ns steps since 1970 UTC: the seeds show up to seven fractional digits, one more than a datetime holds."""

PER_S = 10_000_000
PER_MS = 10_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_FRACTION = re.compile(r"[.,](\d+)")


def from_seconds(seconds: float) -> Stamp:
    return round(seconds * 1_000_000) * 10


def to_seconds(stamp: Stamp) -> float:
    return stamp / PER_S


def to_datetime(stamp: Stamp) -> datetime:
    return _EPOCH + timedelta(microseconds=stamp // 10)


def whole_ms(stamp: Stamp) -> Stamp:
    """What a later read shows of a moment that the create answer gave in full (seeds: Create, then Update)."""
    return stamp - stamp % PER_MS


def omni(stamp: Stamp | None) -> str | None:
    """`2021-08-18T05:58:03.3618601Z`: UTC, without trailing zeros, without a fraction when it is zero."""
    if stamp is None:
        return None
    whole, fraction = divmod(stamp, PER_S)
    text = (_EPOCH + timedelta(seconds=whole)).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{text}.{fraction:07d}".rstrip("0") + "Z" if fraction else f"{text}Z"


def admin(stamp: Stamp | None, zone: tzinfo) -> str | None:
    """`2015-03-28T13:28:28-04:00`: whole seconds in the shop's own zone."""
    if stamp is None:
        return None
    return (_EPOCH + timedelta(seconds=stamp // PER_S)).astimezone(zone).isoformat()


def of(moment: str | float | date | datetime | None, zone: tzinfo) -> Stamp | None:
    """Read a moment that a person gave in any sensible form; a naive one is in `zone`.

    Raises ValueError when the text is no date.
    """
    if moment is None:
        return None
    if isinstance(moment, str):
        return parse(moment, zone)
    if isinstance(moment, int | float):
        return from_seconds(moment)
    if not isinstance(moment, datetime):
        moment = datetime(moment.year, moment.month, moment.day, tzinfo=zone)
    return _steps(moment, zone)


def parse(text: str, zone: tzinfo) -> Stamp:
    """Read an ISO 8601 date or time with any number of fractional digits; a naive one is in `zone`.

    Raises ValueError.
    """
    found = _FRACTION.search(text)
    if not found:
        return _steps(datetime.fromisoformat(text), zone)
    bare = text[: found.start()] + text[found.end() :]
    return _steps(datetime.fromisoformat(bare), zone) + int(found[1][:7].ljust(7, "0"))


def _steps(moment: datetime, zone: tzinfo) -> Stamp:
    aware = moment if moment.tzinfo else moment.replace(tzinfo=zone)
    return (aware - _EPOCH) // _MICROSECOND * 10
