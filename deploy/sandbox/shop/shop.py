"""One shop: its customers and settings, and the changes to them, which are announced by webhook."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
from msgspec.structs import replace

from deploy.sandbox.call_log import Calls, Hooks
from deploy.sandbox.faults import Faults
from deploy.sandbox.records import Customer, Group, Stamp, omni, timestamps
from deploy.sandbox.shop.rate_limiter import Bucket
from deploy.sandbox.shop.store import CustomerStore
from deploy.sandbox.webhooks import Deliveries, Delivery, Target

SCOPES = ("com.read_customers", "com.write_customers", "wh_api")
CUSTOMER_TOPICS = ("customers/create", "customers/update", "customers/delete")
GROUPS = (
    "Tất cả khách hàng",
    "Nhận email quảng cáo",
    "Khách hàng thân thiết",
    "Khách hàng tiềm năng",
    "Trong nước",
)

_encode = msgspec.json.Encoder().encode


@dataclass(slots=True)
class Application:
    """The app's settings in the partner dashboard, and whether this shop installed it and subscribed."""

    url: str | None = None
    verify_token: str | None = None
    topics: tuple[str, ...] = CUSTOMER_TOPICS
    subscribed: bool = False
    installed: bool = True

    @property
    def listens(self) -> bool:
        return self.subscribed and self.installed


@dataclass(slots=True)
class Counters:
    """The next ids. All shops use the same ids on purpose: this reveals a program that confuses shops."""

    customer: int = 1_050_000_001
    address: int = 1_058_000_001
    order: int = 1_146_000_001
    order_number: int = 1
    metafield: int = 1_070_000_001

    def take(self, kind: str) -> int:
        taken: int = getattr(self, kind)
        setattr(self, kind, taken + 1)
        return taken


@dataclass(slots=True)
class Shop:
    """One shop of the sandbox. `echo`: tag writes are announced as customers/update."""

    org: str
    token: str
    secret: str
    clock: Callable[[], float]
    scopes: tuple[str, ...] = SCOPES
    timezone: str = "Asia/Ho_Chi_Minh"
    currency: str = "VND"
    name: str = ""
    echo: bool = True
    shop_endpoint: bool = True
    bucket: Bucket = field(default_factory=Bucket)
    rng: Random = field(default_factory=lambda: Random(0))
    store: CustomerStore = field(default_factory=CustomerStore)
    groups: list[Group] = field(default_factory=list)
    counters: Counters = field(default_factory=Counters)
    calls: Calls = field(default_factory=Calls)
    hooks: Hooks = field(default_factory=Hooks)
    faults: Faults = field(default_factory=Faults)
    app: Application = field(default_factory=Application)
    changes: int = 0
    search_texts: dict[int, tuple[Customer, str]] = field(default_factory=dict)
    deliveries: Deliveries = field(init=False)
    zone: ZoneInfo = field(init=False)
    _last: Stamp = 0

    def __post_init__(self) -> None:
        self.zone = ZoneInfo(self.timezone)
        self.name = self.name or f"Cửa hàng {self.org}"
        self.deliveries = Deliveries(
            clock=self.clock, target=self._target, unsubscribe=self.unsubscribe, rng=self.rng
        )
        if not self.groups:
            self.groups = [
                Group(39_550_382 + i, name, self.now(), self.now()) for i, name in enumerate(GROUPS)
            ]

    @property
    def domain(self) -> str:
        return f"shop-{self.org}.myharavan.com"

    @property
    def birth_zone(self) -> dt.timezone:
        """The offset of birthdays: the shop's current one. Historical offsets (Sài Gòn had +08:00 until 1975)
        would shift old birthdays, and shop systems do not use them."""
        offset = dt.datetime.fromtimestamp(self.clock(), self.zone).utcoffset()
        return dt.timezone(offset or dt.timedelta())

    def now(self) -> Stamp:
        """The current time, always later than the previous result, so that no two changes have the same time."""
        self._last = max(timestamps.from_seconds(self.clock()), self._last + 10)
        return self._last

    def add(self, customer: Customer) -> Customer:
        """Add a new customer and announce it."""
        self._store(customer)
        self.announce("customers/create", customer)
        return customer

    def change(self, customer: Customer, *, announce: bool = True, touch: bool = True) -> Customer:
        """Store a new version of a customer. `touch`: set `updated_at`; `announce`: send customers/update."""
        version = replace(customer, updated_at=self.now()) if touch else customer
        self._store(version)
        if announce:
            self.announce("customers/update", version)
        return version

    def set_tags(self, customer: Customer, tags: Iterable[str], *, announce: bool | None = None) -> Customer:
        """Set the customer's tags. Does nothing if they are the same."""
        wanted = tuple(dict.fromkeys(tags))
        if wanted == customer.tags:
            return customer
        return self.change(
            replace(customer, tags=wanted), announce=self.echo if announce is None else announce
        )

    def remove(self, customer: Customer) -> None:
        self.store.remove(customer.id, at=self.now())
        self.search_texts.pop(customer.id, None)
        self.changes += 1
        self.send("customers/delete", customer.id, _encode({"id": customer.id}))

    def announce(self, topic: str, customer: Customer, *, test: bool = False) -> None:
        """Send the customer's current record under `topic`, if the app subscribed to it."""
        if self.app.listens and topic in self.app.topics:
            self.send(topic, customer.id, self.body(customer), test=test)

    def send(self, topic: str, customer_id: int, body: bytes, *, test: bool = False) -> None:
        """Queue one webhook, if the app subscribed to its topic."""
        if self.app.listens and topic in self.app.topics:
            self.deliveries.push(Delivery(topic, customer_id, body, test))

    def body(self, customer: Customer) -> bytes:
        """The body of a customer webhook: the customer in the Omni format, as UTF-8."""
        shape = omni.customer(customer)
        missing = self.deliveries.missing_fields
        return _encode(
            {key: value for key, value in shape.items() if key not in missing} if missing else shape
        )

    def subscriptions(self) -> list[dict[str, Any]]:
        """What GET /api/subscribe returns: `{"id", "event", "url"}` for each topic."""
        if not self.app.listens:
            return []
        return [
            {"id": 7_000_001 + i, "event": topic, "url": self.app.url}
            for i, topic in enumerate(self.app.topics)
        ]

    def unsubscribe(self) -> None:
        """End the subscription and delete the waiting deliveries."""
        self.app.subscribed = False
        self.deliveries.clear()

    def _store(self, version: Customer) -> None:
        self.store.put(version, at=self.now())
        self.changes += 1

    def _target(self) -> Target | None:
        if not self.app.subscribed or self.app.url is None:
            return None
        return Target(self.org, self.secret, self.app.url)
