"""One shop: its customers, its settings, and the few ways in which it changes, each announced by webhook."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from random import Random
from zoneinfo import ZoneInfo

import msgspec
from msgspec.structs import replace

from . import omni, stamps
from .bucket import Bucket
from .calls import Calls, Hooks
from .deliveries import Deliveries
from .faults import Faults
from .outbox import Delivery
from .records import Customer, Group
from .sending import Target
from .stamps import Stamp
from .store import CustomerStore

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
    """What the partner dashboard knows of the app: where webhooks go, which topics, and whether this shop subscribed."""

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
    """The next ids. Two shops count alike on purpose: a program that mixes shops up is found out."""

    customer: int = 1_050_000_001
    address: int = 1_058_000_001
    order: int = 1_146_000_001
    order_number: int = 1

    def take(self, kind: str) -> int:
        taken: int = getattr(self, kind)
        setattr(self, kind, taken + 1)
        return taken


@dataclass(slots=True)
class Shop:
    """One shop of the sandbox. `echo`: whether tag writes are announced as customers/update."""

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
        """The offset by which birthdays are kept: the shop's present one. Its history would say otherwise
        (Sài Gòn was at +08:00 until 1975), but no shop system asks what the clock showed in 1960."""
        offset = dt.datetime.fromtimestamp(self.clock(), self.zone).utcoffset()
        return dt.timezone(offset or dt.timedelta())

    def now(self) -> Stamp:
        """The present moment, later than every moment given before: two changes never share one."""
        self._last = max(stamps.from_seconds(self.clock()), self._last + 10)
        return self._last

    def add(self, customer: Customer) -> Customer:
        """Take in a new customer and announce it."""
        self._keep(customer)
        self.announce("customers/create", customer)
        return customer

    def change(self, customer: Customer, *, announce: bool = True, touch: bool = True) -> Customer:
        """Keep a new version, with a new `updated_at` unless told otherwise, and announce it."""
        version = replace(customer, updated_at=self.now()) if touch else customer
        self._keep(version)
        if announce:
            self.announce("customers/update", version)
        return version

    def retag(self, customer: Customer, tags: Iterable[str], *, announce: bool | None = None) -> Customer:
        """Give the customer exactly these tags; nothing happens when it has them already."""
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
        """Send the customer's present record under `topic`, if the app subscribed to it."""
        if self.app.listens and topic in self.app.topics:
            self.send(topic, customer.id, self.body(customer), test=test)

    def send(self, topic: str, customer_id: int, body: bytes, *, test: bool = False) -> None:
        """Put one webhook on its way, if the app subscribed to its topic."""
        if self.app.listens and topic in self.app.topics:
            self.deliveries.push(Delivery(topic, customer_id, body, test))

    def body(self, customer: Customer) -> bytes:
        """A webhook's body: the bare customer in the Omni shape, UTF-8 unescaped."""
        shape = omni.customer(customer)
        missing = self.deliveries.missing_fields
        return _encode(
            {key: value for key, value in shape.items() if key not in missing} if missing else shape
        )

    def unsubscribe(self) -> None:
        self.app.subscribed = False
        self.deliveries.clear()

    def _keep(self, version: Customer) -> None:
        self.store.put(version, at=self.now())
        self.changes += 1

    def _target(self) -> Target | None:
        if not self.app.subscribed or self.app.url is None:
            return None
        return Target(self.org, self.secret, self.app.url)
