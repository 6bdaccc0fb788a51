"""One shop as the processes use it, and what its fields must look like."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from service.domain.customers import OrgId
from service.errors import Refused

Dialect = Literal["omni", "admin"]
DEFAULT_TIMEZONE: Final = "Asia/Ho_Chi_Minh"
DEFAULT_CURRENCY: Final = "VND"
MAX_RESERVE: Final = 30  # of the bucket's 80 places
LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})


@dataclass(frozen=True, slots=True)
class Shop:
    """What is stored of one shop, opened. Token and secret are kept out of `repr`."""

    org: OrgId
    name: str
    dialect: Dialect
    api_url: str
    token: str = field(repr=False)
    timezone: str = DEFAULT_TIMEZONE
    currency: str = DEFAULT_CURRENCY
    secret: str = field(default="", repr=False)  # of the webhooks made in the shop's own admin
    reserve: int = 0  # places of the API bucket left to the merchant's other apps
    shadow: bool = False  # decisions are recorded, nothing is written
    paused: str = ""  # the reason, or "" while the shop works
    paused_since_ms: int = 0
    paused_by: str = ""
    removals_paused: str = ""


def validate(shop: Shop) -> None:
    """Raises Refused naming every field that is wrong."""
    wrong = [message for message, fine in _findings(shop) if not fine]
    if wrong:
        raise Refused("; ".join(wrong))


def _findings(shop: Shop) -> list[tuple[str, bool]]:
    parts = urlsplit(shop.api_url)
    host = parts.hostname or ""
    near = host in LOOPBACK or "." not in host  # this machine, or a neighbour container such as `sandbox`
    safe = parts.scheme == "https" or (parts.scheme == "http" and near)
    return [
        ("the org id has digits only, as in X-Haravan-Org-Id", shop.org.isascii() and shop.org.isdigit()),
        ("the name is empty", bool(shop.name.strip())),
        ("the dialect is omni or admin", shop.dialect in ("omni", "admin")),
        ("the API address starts with https:// (http:// only for this machine)", safe and bool(host)),
        ("the token is empty", bool(shop.token.strip())),
        (
            f"there is no time zone {shop.timezone!r}; write one such as {DEFAULT_TIMEZONE}",
            _is_zone(shop.timezone),
        ),
        (
            "the currency is written as three capital letters, such as VND",
            len(shop.currency) == 3 and shop.currency.isascii() and shop.currency.isupper(),
        ),
        (f"the reserve is a number from 0 to {MAX_RESERVE}", 0 <= shop.reserve <= MAX_RESERVE),
    ]


def _is_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (KeyError, OSError, ValueError):
        return False
    return bool(name)
