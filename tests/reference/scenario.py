"""A scenario: whatever happens to a simulated shop also happens to the expected shop, and then their tags agree."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, time, timedelta
from types import CoroutineType
from typing import Any, Literal
from zoneinfo import ZoneInfo

from service.domain.customers.customer import CustomerId
from service.domain.documents.parser import validate_rules
from service.errors import Refused
from service.operations import claims, exclusions
from service.publishing.draft import Draft, create_draft, create_rollback_draft
from service.publishing.publish import publish_draft
from service.publishing.shadow import begin_shadow_mode, draft_end_of_shadow_mode, end_shadow_mode
from service.store.customers.sealed_snapshots import read_snapshot
from service.store.shops.model import Shop
from tests.reference.conditions import Record, fold, parse_record
from tests.reference.evaluator import rules_and_tiers
from tests.reference.expected_shop import ExpectedShop
from tests.support.actors import LAN
from tests.workers.stage import ORG, Stage
from workers.haravan.client import Haravan
from workers.haravan.rate_limit import WaitingPermits
from workers.scan import CustomerScan, ScanKind

DeliveryMode = Literal["delivered", "delivered twice", "delivered late", "lost"]
MAX_DRAIN_RUNS = 200
# The third revert within a day suppresses the tag until it is evaluated again.
MAX_REVERTS = 2
HIDEABLE: Mapping[str, tuple[str, ...]] = {
    "total_spent": ("total_spent",),
    "orders_count": ("orders_count",),
    "last_order_date": ("last_order_ms",),
    "birthday": ("birthday_ms",),
    "first_name": ("first_name",),
    "default_address": ("province", "province_code", "district", "ward"),
}  # key -> attributes of `Record`
QUEUES = ("ready:live", "ready:bulk", "planned:live", "planned:bulk", "delayed")


@dataclass
class Scenario:
    """One shop, served by the real service, and what is expected of it.

    Webhooks of a change are delivered, delivered twice, delivered late and out of order, or lost.
    """

    stage: Stage
    expected: ExpectedShop = field(default_factory=ExpectedShop)
    late: list[tuple[str, bytes]] = field(default_factory=list)
    scans: set[ScanKind] = field(default_factory=set)  # what finds the lost changes
    checked_ms: int = 0
    history: list[str] = field(default_factory=list)
    reverts: list[tuple[int, int]] = field(default_factory=list)  # (customer, ms)
    hidden: frozenset[str] = frozenset()  # keys that the API leaves out of records

    def log_step(self, step: CoroutineType[Any, Any, Any]) -> None:
        """Add a step to the history that is printed with a difference."""
        frame = step.cr_frame
        arguments = {
            name: value for name, value in (frame.f_locals if frame else {}).items() if name != "self"
        }
        self.history.append(
            f"{datetime.fromtimestamp(self.stage.clock(), UTC):%Y-%m-%d %H:%M} {step.__name__} {arguments}"
        )

    # customers

    @property
    def customers(self) -> list[int]:
        return self.stage.haravan.ids()

    def record(self, customer: int) -> Record:
        record = parse_record(self.stage.haravan.customer(customer))
        absent: dict[str, Any] = {name: None for key in self.hidden for name in HIDEABLE[key]}
        return replace(record, **absent, missing=self.hidden)

    async def hide(self, keys: frozenset[str]) -> None:
        """The API leaves these keys out of records from now on, and shows the others again. The audit finds it."""
        self.hidden = self.stage.haravan.faults.missing_fields = keys
        self.scans.add("audit")

    async def create(self, customer: int, fields: Mapping[str, Any], mode: DeliveryMode) -> None:
        """Create a customer, or create it again after a deletion."""
        self._may_revert(customer)
        self.stage.haravan.create(id=customer, **fields)
        await self._send_customer("customers/create", customer, mode)

    async def edit(self, customer: int, fields: Mapping[str, Any], mode: DeliveryMode) -> None:
        self.stage.haravan.edit(customer, **fields)
        await self._send_customer("customers/update", customer, mode)

    async def order(self, customer: int, amount: int, mode: DeliveryMode) -> None:
        """An order changes its customer. Only the webhook of the order is sent."""
        self.stage.haravan.order(customer, amount)
        body = b'{"id": 77, "customer": {"id": %d}}' % customer
        await self._send("orders/create", body, mode)

    async def delete(self, customer: int, mode: DeliveryMode) -> None:
        body = self.stage.haravan.body(customer)
        self.stage.haravan.delete(customer)
        if mode == "lost":
            self.scans.add("audit")
        await self._send("customers/delete", body, mode)

    async def add_by_hand(self, customer: int, tag: str, mode: DeliveryMode) -> None:
        if fold(tag) not in map(fold, self.record(customer).tags):
            self.stage.haravan.tag_by_hand(customer, tag)
            await self._send_customer("customers/update", customer, mode)

    async def remove_by_hand(self, customer: int, tag: str, mode: DeliveryMode) -> None:
        present = [other for other in self.record(customer).tags if fold(other) == fold(tag)]
        if present and self._may_revert(customer):
            self.stage.haravan.untag_by_hand(customer, present[0])
            await self._send_customer("customers/update", customer, mode)

    def _may_revert(self, customer: int) -> bool:
        """Whether one more revert suppresses no tag. If so, count it."""
        now = self.stage.now_ms
        recent = [at for other, at in self.reverts if other == customer and now - at < 25 * 3_600_000]
        if len(recent) >= MAX_REVERTS:
            return False
        self.reverts.append((customer, now))
        return True

    async def _send_customer(self, topic: str, customer: int, mode: DeliveryMode) -> None:
        await self._send(topic, self.stage.haravan.body(customer), mode)

    async def _send(self, topic: str, body: bytes, mode: DeliveryMode) -> None:
        if mode == "lost":
            self.scans.add("reconcile")
        elif mode == "delivered late":
            self.late.append((topic, body))
        else:
            for _ in range(2 if mode == "delivered twice" else 1):
                await self.stage.deliver(body, topic)
        self.stage.clock.advance(1)

    async def echo(self, customer: int) -> None:
        """A webhook without any change."""
        await self._send_customer("customers/update", customer, "delivered")

    # rules

    async def publish(self, doc: Mapping[str, Any]) -> None:
        shop = await self._shop()
        draft = await create_draft(self.stage.context, shop, validate_rules(doc))
        await self._publish(shop, draft, "publish")
        self.expected.publish(doc)

    async def roll_back(self, to: int) -> None:
        shop = await self._shop()
        draft = await create_rollback_draft(self.stage.context, shop, to=to)
        await self._publish(shop, draft, "rollback")
        self.expected.roll_back(to)

    async def _publish(self, shop: Shop, draft: Draft, what: str) -> None:
        await publish_draft(self.stage.context, shop, draft, by=LAN, note="", approved=True, action=what)
        await self.stage.execute_jobs()

    async def claim(
        self, tag: str, *, what: Literal["adopt", "retract"], matching_only: bool = False
    ) -> None:
        """Adopt or retract a tag. Claims work on snapshots, so everything else is settled first."""
        await self.settle()
        stage, shop = self.stage, await self._shop()
        allowed = (self.expected.setter(tag) is not None) is (what == "adopt")
        try:
            plan = await (
                claims.plan_adoption(stage.context, shop, tag, matching_only=matching_only)
                if what == "adopt"
                else claims.plan_retraction(stage.context, shop, tag)
            )
        except Refused:
            assert not allowed
            return
        assert allowed
        records = {customer: self.record(customer) for customer in self.customers}
        await claims.apply_claim(stage.context, shop, plan, by=LAN, approved=True)
        await stage.execute_jobs()
        if what == "adopt":
            self.expected.adopt(tag, records, matching_only=matching_only, now_ms=stage.now_ms)
        else:
            self.expected.retract(tag)

    async def exclude(self, customer: int, rule: str) -> None:
        """Exclude a customer from a rule, or end the exclusion."""
        excluded = self.expected.customer(customer).excluded
        undo = rule in excluded
        if not undo and rule not in {live["id"] for live in rules_and_tiers(self.expected.live)}:
            return
        shop = await self._shop()
        plan = await exclusions.plan_exclusion(
            self.stage.context, shop, CustomerId(customer), rule, undo=undo
        )
        await exclusions.apply_exclusion(self.stage.context, shop, plan, by=LAN)
        excluded ^= {rule}

    async def toggle_shadow_mode(self) -> None:
        """Begin or end shadow mode. At its end the open decisions are written."""
        self.expected.shadow = not self.expected.shadow
        stage, shop = self.stage, await self._shop()
        if self.expected.shadow:
            await begin_shadow_mode(stage.context, shop, by=LAN)
            return
        draft = await draft_end_of_shadow_mode(stage.context, shop)
        await end_shadow_mode(stage.context, shop, draft, by=LAN, approved=True)
        await stage.execute_jobs()

    async def _shop(self) -> Shop:
        return await self.stage.shops.get_or_raise(ORG)

    # time

    def pass_time(self, *, days: int, hour: int) -> None:
        """Advance the clock to this hour of a later day, in the time zone of the rules."""
        zone = ZoneInfo(self.expected.live["timezone"])
        now = datetime.fromtimestamp(self.stage.clock(), UTC).astimezone(zone)
        target = datetime.combine(now.date() + timedelta(days=days), time(hour), zone)
        self.stage.clock.advance(max(0.0, target.timestamp() - self.stage.clock()))

    async def settle(self) -> None:
        """Deliver late webhooks, find lost changes and drain; then every customer must have the expected tags."""
        self._pass_midnight()
        for topic, body in reversed(self.late):
            await self.stage.deliver(body, topic)
        self.late.clear()
        now, before = self.stage.now_ms, {customer: self.record(customer) for customer in self.customers}
        expected = {
            customer: self.expected.evaluate(customer, record, now) for customer, record in before.items()
        }
        await self._scan()
        await self.stage.sweep.check_shops()
        await self._drain()
        actual = {customer: set(map(fold, self.record(customer).tags)) for customer in self.customers}
        assert actual == expected, self._difference(actual, expected, before)
        await self._check_snapshots()
        dead = await self.stage.redis.hgetall(self.stage.key("dead_letters"))
        assert not dead, dead
        assert not await self.stage.sweep.check_shops(), "a shop was woken although nothing is due"
        for deleted in self.expected.customers.keys() - set(self.customers):
            self.expected.delete(deleted)
        self.stage.clock.advance(660)  # until then a record without our tag may be stale
        self.checked_ms = self.stage.now_ms

    async def _check_snapshots(self) -> None:
        """There is a current snapshot of each customer and of no other: previews and publishes depend on them."""
        stored = await self.stage.redis.hgetall(self.stage.key("snapshots"))
        snapshots = {int(name): read_snapshot(snapshot).facts for name, snapshot in stored.items()}
        assert snapshots.keys() == set(self.customers), "\n".join(self.history)
        for customer, snapshot in snapshots.items():
            record = self.record(customer)
            assert (snapshot.total_spent, snapshot.orders_count, snapshot.last_order_ms) == (
                record.total_spent,
                record.orders_count,
                record.last_order_ms,
            ), "\n".join(self.history)

    def _difference(
        self, actual: Mapping[int, set[str]], expected: Mapping[int, set[str]], before: Mapping[int, Record]
    ) -> str:
        wrong = [customer for customer in expected if actual.get(customer) != expected[customer]]
        lines = [
            f"{customer}: {actual.get(customer)}, expected {expected[customer]}; before {before[customer]};"
            f" after {self.expected.customer(customer)}"
            for customer in wrong
        ]
        return "\n".join([*self.history, f"day {self.expected.day(self.stage.now_ms)}", *lines])

    def _pass_midnight(self) -> None:
        """Advance past midnight if it is near: a deletion is confirmed after ten minutes, on the same day."""
        zone = ZoneInfo(self.expected.live["timezone"])
        if datetime.fromtimestamp(self.stage.clock(), UTC).astimezone(zone).hour == 23:
            self.stage.clock.advance(3600)

    async def _scan(self) -> None:
        if not self.scans:
            return
        kind: ScanKind = "audit" if "audit" in self.scans else "reconcile"
        shop, version = await self._shop(), self.expected.version
        drain = self.stage.drain
        scan = CustomerScan(
            context=self.stage.context,
            shop=shop,
            api=Haravan.for_shop(shop, drain.session),
            permits=WaitingPermits(drain.leases.rate_limiter, ORG, lane="bulk"),
            compiled=await drain.rules_cache.get(shop, version),
            version=version,
        )
        await scan(kind, by="test", since_ms=self.checked_ms if kind == "reconcile" else None)
        self.scans.clear()

    async def _drain(self) -> None:
        """Run drains until no customer is marked. Retries are waited for."""
        for _ in range(MAX_DRAIN_RUNS):
            await self.stage.turn()
            marked = {queue: await self.stage.redis.zcard(self.stage.key(queue)) for queue in QUEUES}
            if not any(marked.values()):
                return
            if marked["delayed"] == sum(marked.values()):
                [(_, due)] = await self.stage.redis.zrange(self.stage.key("delayed"), 0, 0, withscores=True)
                self.stage.clock.advance(max(0.0, due / 1000 - self.stage.clock()))
        raise AssertionError(f"still marked: {marked}")
