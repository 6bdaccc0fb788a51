"""A shop that is played on the stage while the book is kept beside it: whatever happens is done to both."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from types import CoroutineType
from typing import Any, Literal
from zoneinfo import ZoneInfo

from service.domain.customers.customer import CustomerId, decode_snapshot
from service.domain.documents.parser import validate_rules
from service.errors import Refused
from service.operations import claiming, claims, exclusions
from service.publishing.draft import Draft, create_draft, create_rollback_draft
from service.publishing.publish import publish_draft
from service.publishing.shadow import begin_shadow_mode, draft_end_of_shadow_mode, end_shadow_mode
from service.store.shops.model import Shop
from tests.reference.book import Book
from tests.reference.matching import Person, fold, read_person
from tests.reference.naive import makers_of
from tests.workers.stage import ORG, Stage
from workers.haravan.client import Haravan
from workers.haravan.rate_limit import WaitingPermits
from workers.scan import CustomerScan, ScanKind

How = Literal["told", "told twice", "told late", "lost"]
MOST_ROUNDS = 200
MOST_UNDONE = 2  # the third time within a day a tag is not given any more, until somebody looks again
PLACES = ("ready:live", "ready:bulk", "planned:live", "planned:bulk", "delayed")


@dataclass
class Play:
    """One shop. What a person does is told by webhook, told twice, told late and out of order, or never told."""

    stage: Stage
    book: Book = field(default_factory=Book)
    late: list[tuple[str, bytes]] = field(default_factory=list)
    unheard: set[str] = field(default_factory=set)  # how to find out what nobody told
    calm_ms: int = 0
    history: list[str] = field(default_factory=list)
    undone: list[tuple[int, int]] = field(default_factory=list)  # (customer, ms): tags that a person took off

    def note(self, doing: CoroutineType[Any, Any, Any]) -> None:
        """Remember what happens, in plain values, for whoever reads of a difference."""
        frame = doing.cr_frame
        given = {name: value for name, value in (frame.f_locals if frame else {}).items() if name != "self"}
        self.history.append(
            f"{datetime.fromtimestamp(self.stage.clock(), UTC):%Y-%m-%d %H:%M} {doing.__name__} {given}"
        )

    # customers

    @property
    def customers(self) -> list[int]:
        return self.stage.haravan.ids()

    def person(self, customer: int) -> Person:
        return read_person(self.stage.haravan.customer(customer))

    async def create(self, customer: int, fields: Mapping[str, Any], how: How) -> None:
        """New, or back after it was deleted."""
        self._undo(customer)
        self.stage.haravan.create(id=customer, **fields)
        await self._tell("customers/create", customer, how)

    async def edit(self, customer: int, fields: Mapping[str, Any], how: How) -> None:
        self.stage.haravan.edit(customer, **fields)
        await self._tell("customers/update", customer, how)

    async def order(self, customer: int, amount: int, how: How) -> None:
        """Only the order's own webhook comes: it names the customer."""
        self.stage.haravan.order(customer, amount)
        body = b'{"id": 77, "customer": {"id": %d}}' % customer
        await self._deliver("orders/create", body, how)

    async def delete(self, customer: int, how: How) -> None:
        body = self.stage.haravan.body(customer)
        self.stage.haravan.delete(customer)
        if how == "lost":
            self.unheard.add("audit")
        await self._deliver("customers/delete", body, how)

    async def put_on(self, customer: int, tag: str, how: How) -> None:
        if fold(tag) not in map(fold, self.person(customer).tags):
            self.stage.haravan.tag_by_hand(customer, tag)
            await self._tell("customers/update", customer, how)

    async def take_off(self, customer: int, tag: str, how: How) -> None:
        there = [one for one in self.person(customer).tags if fold(one) == fold(tag)]
        if there and self._undo(customer):
            self.stage.haravan.untag_by_hand(customer, there[0])
            await self._tell("customers/update", customer, how)

    def _undo(self, customer: int) -> bool:
        """Note it; False when it would be once too often."""
        now = self.stage.now_ms
        recent = [one for one, at in self.undone if one == customer and now - at < 25 * 3_600_000]
        if len(recent) >= MOST_UNDONE:
            return False
        self.undone.append((customer, now))
        return True

    async def _tell(self, topic: str, customer: int, how: How) -> None:
        await self._deliver(topic, self.stage.haravan.body(customer), how)

    async def _deliver(self, topic: str, body: bytes, how: How) -> None:
        if how == "lost":
            self.unheard.add("reconcile")
        elif how == "told late":
            self.late.append((topic, body))
        else:
            for _ in range(2 if how == "told twice" else 1):
                await self.stage.deliver(body, topic)
        self.stage.clock.advance(1)

    async def echo(self, customer: int) -> None:
        """A webhook that says nothing new."""
        await self._tell("customers/update", customer, "told")

    # rules

    async def publish(self, doc: Mapping[str, Any]) -> None:
        shop = await self._shop()
        draft = await create_draft(self.stage.context, shop, validate_rules(doc))
        await self._publish(shop, draft, "publish")
        self.book.publish(doc)

    async def roll_back(self, to: int) -> None:
        shop = await self._shop()
        draft = await create_rollback_draft(self.stage.context, shop, to=to)
        await self._publish(shop, draft, "rollback")
        self.book.roll_back(to)

    async def _publish(self, shop: Shop, draft: Draft, what: str) -> None:
        await publish_draft(self.stage.context, shop, draft, by="Lan", note="", approved=True, what=what)
        await self.stage.execute_jobs()

    async def claim(
        self, tag: str, *, what: Literal["adopt", "retract"], matching_only: bool = False
    ) -> None:
        """On what was seen last: so when all is calm."""
        await self.calm()
        stage, shop = self.stage, await self._shop()
        allowed = (self.book.setter(tag) is not None) is (what == "adopt")
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
        people = {customer: self.person(customer) for customer in self.customers}
        await claiming.apply_claim(stage.context, shop, plan, by="Lan")
        await stage.execute_jobs()
        if what == "adopt":
            self.book.adopt(tag, people, matching_only=matching_only, now_ms=stage.now_ms)
        else:
            self.book.retract(tag)

    async def exclude(self, customer: int, rule: str) -> None:
        """Leave it alone with the rule; or no longer, when that is so already."""
        page = self.book.page(customer)
        undo = rule in page.excluded
        if not undo and rule not in {one["id"] for one in makers_of(self.book.live)}:
            return
        shop = await self._shop()
        plan = await exclusions.plan_exclusion(
            self.stage.context, shop, CustomerId(customer), rule, undo=undo
        )
        await exclusions.apply_exclusion(self.stage.context, shop, plan, by="Lan")
        page.excluded ^= {rule}

    async def shade(self) -> None:
        """Shadow mode on; or off, and whoever was only decided on is written."""
        self.book.shadow = not self.book.shadow
        stage, shop = self.stage, await self._shop()
        if self.book.shadow:
            await begin_shadow_mode(stage.context, shop, by="Lan")
            return
        draft = await draft_end_of_shadow_mode(stage.context, shop)
        await end_shadow_mode(stage.context, shop, draft, by="Lan", approved=True)
        await stage.execute_jobs()

    async def _shop(self) -> Shop:
        return await self.stage.shops.get_or_raise(ORG)

    # time

    def pass_time(self, *, days: int, hour: int) -> None:
        """To that hour of a later day in the rules' zone."""
        zone = ZoneInfo(self.book.live["timezone"])
        now = datetime.fromtimestamp(self.stage.clock(), UTC).astimezone(zone)
        then = datetime.combine(now.date() + timedelta(days=days), time(hour), zone)
        self.stage.clock.advance(max(0.0, then.timestamp() - self.stage.clock()))

    async def calm(self) -> None:
        """Let all that was said and lost be found out and done; then every customer has the tags of the book."""
        self._pass_midnight()
        for topic, body in reversed(self.late):
            await self.stage.deliver(body, topic)
        self.late.clear()
        now, before = self.stage.now_ms, {each: self.person(each) for each in self.customers}
        expected = {each: self.book.look(each, before[each], now) for each in before}
        await self._find_out()
        await self.stage.sweep.check_shops()
        await self._drain()
        found = {each: set(map(fold, self.person(each).tags)) for each in self.customers}
        assert found == expected, self._difference(found, expected, before)
        await self._check_snapshots()
        dead = await self.stage.redis.hgetall(self.stage.key("dead_letters"))
        assert not dead, dead
        assert not await self.stage.sweep.check_shops(), "marked again, although nothing is due"
        for gone in self.book.pages.keys() - set(self.customers):
            self.book.forget(gone)
        self.stage.clock.advance(660)  # until then a record without our tag may only lag
        self.calm_ms = self.stage.now_ms

    async def _check_snapshots(self) -> None:
        """Previews and publishes go by what was seen last: everybody who is there as they are, and nobody else."""
        stored = await self.stage.redis.hgetall(self.stage.key("snapshots"))
        seen = {int(name): decode_snapshot(snapshot) for name, snapshot in stored.items()}
        assert seen.keys() == set(self.customers), "\n".join(self.history)
        for customer, one in seen.items():
            there = self.person(customer)
            assert (one.total_spent, one.orders_count, one.last_order_ms) == (
                there.total_spent,
                there.orders_count,
                there.last_order_ms,
            ), "\n".join(self.history)

    def _difference(
        self, found: Mapping[int, set[str]], expected: Mapping[int, set[str]], before: Mapping[int, Person]
    ) -> str:
        wrong = [one for one in expected if found.get(one) != expected[one]]
        lines = [
            f"{one}: found {found.get(one)}, expected {expected[one]}; as read {before[one]}; then {self.book.page(one)}"
            for one in wrong
        ]
        return "\n".join([*self.history, f"day {self.book.day(self.stage.now_ms)}", *lines])

    def _pass_midnight(self) -> None:
        """A deletion is confirmed after ten minutes: the day must not end meanwhile."""
        zone = ZoneInfo(self.book.live["timezone"])
        if datetime.fromtimestamp(self.stage.clock(), UTC).astimezone(zone).hour == 23:
            self.stage.clock.advance(3600)

    async def _find_out(self) -> None:
        if not self.unheard:
            return
        kind: ScanKind = "audit" if "audit" in self.unheard else "reconcile"
        shop, version = await self._shop(), self.book.version
        drain = self.stage.drain
        scan = CustomerScan(
            context=self.stage.context,
            shop=shop,
            api=Haravan.for_shop(shop, drain.session),
            permits=WaitingPermits(drain.leases.rate_limiter, ORG, lane="bulk"),
            compiled=await drain.rules_cache.get(shop, version),
            version=version,
        )
        await scan(kind, by="test", since_ms=self.calm_ms if kind == "reconcile" else None)
        self.unheard.clear()

    async def _drain(self) -> None:
        """Turn after turn until nobody is marked; who waits is waited for."""
        for _ in range(MOST_ROUNDS):
            await self.stage.turn()
            waiting = {place: await self.stage.redis.zcard(self.stage.key(place)) for place in PLACES}
            if not any(waiting.values()):
                return
            if waiting["delayed"] == sum(waiting.values()):
                [(_, due)] = await self.stage.redis.zrange(self.stage.key("delayed"), 0, 0, withscores=True)
                self.stage.clock.advance(max(0.0, due / 1000 - self.stage.clock()))
        raise AssertionError(f"never quiet: {waiting}")
