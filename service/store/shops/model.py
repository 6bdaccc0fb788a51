"""A shop as the processes use it, and the checks of its fields."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from service.domain.customers import OrgId
from service.errors import Refused
from service.runtime import address_problem
from service.sentence import Sentence
from service.store.encryption import ShopCipher
from service.store.shops.first_look import FirstLook
from service.store.shops.freeze import Freeze

Dialect = Literal["omni", "admin"]
DEFAULT_TIMEZONE: Final = "Asia/Ho_Chi_Minh"
DEFAULT_CURRENCY: Final = "VND"
MAX_RESERVE: Final = 30  # of the bucket's 80 calls
NO_CIPHER: Final = ShopCipher(OrgId(""), {})  # of a shop that was not loaded from the store


@dataclass(frozen=True, slots=True)
class Shop:
    """The configuration and the pause of one shop. `repr` shows neither token nor secret."""

    org: OrgId
    name: str
    dialect: Dialect
    api_url: str
    token: str = field(repr=False)
    timezone: str = DEFAULT_TIMEZONE
    currency: str = DEFAULT_CURRENCY
    secret: str = field(default="", repr=False)  # of webhooks that were created in the shop's admin
    reserve: int = 0  # calls of the API bucket left to the merchant's other apps
    shadow: bool = False  # decisions are logged, not written
    paused: str = ""  # the reason, or "" if the shop is not paused
    paused_since_ms: int = 0
    paused_by: str = ""
    removals_paused: str = ""
    cipher: ShopCipher = field(default=NO_CIPHER, repr=False, compare=False)
    first_look: FirstLook = "pending"
    data_id: str = field(
        default="", compare=False
    )  # of this shop's data; another one means that numbers of versions start anew
    freeze: Freeze | None = None

    def is_frozen(self, now_ms: int) -> bool:
        """Whether a freeze has begun: no tag is written until it is ended."""
        return self.freeze is not None and self.freeze.from_ms <= now_ms


def dialect_of(api_url: str) -> Dialect:
    """The dialect that an API address selects: `/admin` is the older API."""
    return "admin" if urlsplit(api_url).path.rstrip("/").endswith("/admin") else "omni"


def validate(shop: Shop) -> None:
    """Raises Refused with every wrong field."""
    errors = [message for message, is_valid in _checks(shop) if not is_valid]
    if errors:
        raise Refused(Sentence.join(errors))


def exists_already(org: OrgId) -> Refused:
    """What is raised when a shop is added twice."""
    return Refused(
        Sentence("shop {org} exists already; change its token with: tagger shops token {org}", org=org)
    )


def _checks(shop: Shop) -> list[tuple[Sentence, bool]]:
    address = address_problem(shop.api_url)
    return [
        (
            Sentence("the org id has digits only, as in X-Haravan-Org-Id"),
            shop.org.isascii() and shop.org.isdigit(),
        ),
        (Sentence("the name is empty"), bool(shop.name.strip())),
        (Sentence("the dialect is omni or admin"), shop.dialect in ("omni", "admin")),
        (Sentence("the API address cannot be used: {why}", why=address or ""), not address),
        (Sentence("the token is empty"), bool(shop.token.strip())),
        (
            Sentence(
                "there is no time zone {zone!r}; write one such as {example}",
                zone=shop.timezone,
                example=DEFAULT_TIMEZONE,
            ),
            _is_zone(shop.timezone),
        ),
        (
            Sentence("the currency is written as three capital letters, such as VND"),
            len(shop.currency) == 3 and shop.currency.isascii() and shop.currency.isupper(),
        ),
        (
            Sentence("the reserve is a number from 0 to {most}", most=MAX_RESERVE),
            0 <= shop.reserve <= MAX_RESERVE,
        ),
    ]


def _is_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (KeyError, OSError, ValueError):
        return False
    return bool(name)
