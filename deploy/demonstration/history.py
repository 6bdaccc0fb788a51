"""Three weeks of a shop, for the pages: customers buy, return and change, and rules are published.

The events happen in the simulated shop, at their time. What the service does about each is decided and packed by the
functions of the drain. Only the last step is other: a store cannot take what it was told three weeks ago, so
`service.store.past` stores it, with the times.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from random import Random
from typing import Final
from zoneinfo import ZoneInfo

from deploy.demonstration.past_rules import PUBLISHES
from deploy.sandbox import Clock, ShopHandle, fake_data
from service.context import Context
from service.domain.access import Actor, Role
from service.domain.customers import (
    Customer,
    CustomerId,
    CustomerRecord,
    OrgId,
    apply_change,
    fold,
    parse_record,
    tag_set,
)
from service.domain.documents import parse_rules
from service.domain.engine import CompiledRules, compile_rules
from service.domain.rules import RuleSet
from service.domain.sync import (
    BatchContext,
    DeliveryRecord,
    MarkContext,
    StoredState,
    UpToDate,
    WriteNeeded,
    delivery_id,
    encode_delivery,
    evaluate_customer,
)
from service.publishing import editor
from service.store import past
from service.store.customers import kept_fields, seal_snapshot, snapshots
from service.store.encryption import ShopCipher
from service.store.history import DayCounts, TagChanges, TagOfRule
from service.store.jobs import NightlyRun, Run, nightly
from service.store.past import Past, PastDelivery, PastSettlement
from service.store.queue import DeadLetter, DirtyEvent, Mark
from service.store.shops import DEFAULT_TIMEZONE, save_first_look
from workers.drain import after_success, decode_plan, settlement_for

DAYS: Final = 21
EVENTS_PER_DAY: Final = range(14, 30)
WRITES_PER_S: Final = 4
Seal = Callable[[Customer], bytes]  # makes the snapshot of a customer


@dataclass(slots=True)
class _Today:
    """What the record of a day is made of."""

    changes: Counter[tuple[str, str, str]] = field(default_factory=Counter)  # effect, rule, tag
    live_calls: int = 0
    bulk_calls: int = 0
    backlog: int = 0
    oldest_s: int = 0


@dataclass(slots=True)
class History:
    """Plays three weeks in a shop of the sandbox, whose clock begins them."""

    haravan: ShopHandle
    clock: Clock
    context: Context
    org: OrgId
    rng: Random
    past: Past = field(default_factory=Past)
    _states: dict[CustomerId, StoredState] = field(default_factory=dict)
    _records: dict[CustomerId, Customer] = field(default_factory=dict)
    _due: dict[CustomerId, int] = field(default_factory=dict)  # ordinal day
    _version: int = 0
    _rules: CompiledRules = field(default_factory=lambda: compile_rules(RuleSet()))
    _today: _Today = field(default_factory=_Today)
    _last_ms: int = 0
    _end_s: float = 0.0

    async def play(self) -> None:
        """Play every day until the clock shows the time at which `begin` set it back, and store all of it."""
        shop = await self.context.shops.get_or_raise(self.org)
        self._end_s = self.clock() - self.clock.ahead_s
        seal, zone = self._sealing(shop.cipher), ZoneInfo(shop.timezone)
        first = datetime.fromtimestamp(self.clock(), zone).date()
        for index in range(DAYS + 1):
            day = first + timedelta(days=index)
            midnight_s = datetime.combine(day, time(), zone).timestamp()
            self._today = _Today()
            if self._wait_until(midnight_s + 360):
                self._evaluate_due(seal)
            if index in PUBLISHES and self._wait_until(midnight_s + 9.2 * 3_600):
                await self._publish(*PUBLISHES[index], seal=seal)
            events = self.rng.choice(EVENTS_PER_DAY)
            for hour in sorted(self.rng.uniform(9.5, 22) for _ in range(events)):
                if self._wait_until(midnight_s + hour * 3_600):
                    self._happen(seal)
            self._close_day(day.toordinal())
        self.clock.advance(-self.clock.ahead_s)
        await self._store(zone)
        await self._begin_draft()

    async def _store(self, zone: ZoneInfo) -> None:
        redis, now_ms = self.context.redis, int(self._end_s * 1000)
        self.past.dead_letters = [*self._dead_letters(now_ms)]
        await past.save(redis, self.org, self.past)
        await snapshots.save_count(redis, self.org, len(self.haravan.ids()))
        await save_first_look(redis, self.org, "complete")
        yesterday = datetime.fromtimestamp(self._end_s - 86_400, zone).toordinal()
        await nightly.save_run(
            redis, self.org, NightlyRun(yesterday, now_ms - 12 * 3_600_000, subscribed=True)
        )

    async def _begin_draft(self) -> None:
        """A marketer has begun to change a rule, and has not published it."""
        shop = await self.context.shops.get_or_raise(self.org)
        lan = Actor("lan", Role.MARKETER, "user")
        document = (await editor.open_copy(self.context, shop)).document
        _, _, entry = editor.entry_of(document, "vip")
        lower = entry | {"when": entry["when"] | {"value": 6_000_000}}
        base = editor.base_of(entry)
        await editor.save_entry(self.context, shop, "vip", lower, by=lan, editor="demo", base=base)

    # the service

    def _sealing(self, cipher: ShopCipher) -> Seal:
        def seal(customer: Customer) -> bytes:
            return seal_snapshot(customer, cipher, kept=kept_fields(self._rules.required_keys))

        return seal

    async def _publish(self, text: str, author: str, note: str, *, seal: Seal) -> None:
        """Publish rules, and roll them out to all customers at the pace of the API."""
        rules = parse_rules(text)
        version = await self.context.versions.publish(
            self.org, rules, author=author, note=note, parent=self._version, at_ms=self._now_ms()
        )
        self._version, self._rules = version.number, compile_rules(rules)
        started_ms, customers, before = self._now_ms(), self.haravan.ids(), Counter(self._today.changes)
        self._today.backlog = max(self._today.backlog, len(customers))
        self._today.bulk_calls += -(-len(customers) // 50)
        touched = 0
        run = f"P{len(self.past.runs) + 1}"
        for customer in customers:
            touched += self._settle(CustomerId(customer), seal, cause=f"publish:{run}", delivery="")
        made = self._today.changes - before
        self.past.runs.append(
            Run(
                id=run,
                kind="publish",
                by=author,
                reason=note,
                started_ms=started_ms,
                total=touched,
                remaining=0,
                version=version.number,
                done=touched,
                added=sum(count for (effect, *_), count in made.items() if effect == "add"),
                removed=sum(count for (effect, *_), count in made.items() if effect == "remove"),
            )
        )

    def _evaluate_due(self, seal: Seal) -> None:
        """What the sweep and the drain do after midnight."""
        today = self._rules.local_day(self._now_ms())
        due = [customer for customer, day in self._due.items() if day <= today]
        self._today.bulk_calls += -(-len(due) // 50)
        for customer in due:
            self._settle(customer, seal, cause="schedule", delivery="")

    def _deliver(self, customer: int, topic: str, seal: Seal) -> None:
        """A webhook arrives, and the customer is drained."""
        at_ms, body = self._next_ms(), self.haravan.body(customer)
        self._record(customer, topic, body, "marked", at_ms)
        self._today.live_calls += 1
        self._today.backlog = max(self._today.backlog, 1)
        self._today.oldest_s = max(self._today.oldest_s, self.rng.choice((0, 0, 0, 1, 1, 2)))
        wrote = self._settle(CustomerId(customer), seal, cause="delivery", delivery=past.delivery_id(at_ms))
        if wrote:
            self._record(customer, "customers/update", self.haravan.body(customer), "echo", self._next_ms())

    def _record(self, customer: int, topic: str, body: bytes, outcome: str, at_ms: int) -> None:
        digest = self.rng.randbytes(32)  # the signature of a body that nobody keeps
        event = DirtyEvent(
            str(customer),
            identity=delivery_id(digest),
            record=encode_delivery(DeliveryRecord(topic, digest, len(body))),
        )
        self.past.deliveries.append(PastDelivery(at_ms, event, outcome))

    def _settle(self, customer: CustomerId, seal: Seal, *, cause: str, delivery: str) -> bool:
        """Evaluate a customer as a drain does, and write its tags to the shop. Returns whether tags were written."""
        now_ms = self._next_ms()
        record: CustomerRecord = parse_record(self.haravan.body(customer))
        batch = BatchContext(self._rules, self._version, now_ms, self._rules.local_day(now_ms))
        outcome = evaluate_customer(MarkContext(), record, self._states.get(customer, StoredState()), batch)
        assert isinstance(outcome, UpToDate | WriteNeeded)  # noqa: S101  # every record can be read
        mark = Mark(customer, 1, "live", now_ms, reasons=cause, last_delivery=delivery)
        settlement = settlement_for(
            mark,
            outcome,
            version=self._version,
            now_ms=now_ms,
            seal=seal,
            previous=self._records.get(customer),
        )
        result, drift = (
            outcome if isinstance(outcome, UpToDate) else outcome.result,
            [*(settlement.drift or ())],
        )
        if isinstance(outcome, WriteNeeded):
            assert settlement.plan is not None  # noqa: S101  # a write has one
            settlement = after_success(mark, decode_plan(settlement.plan))
            drift += settlement.drift or ()
            tags = apply_change(tag_set(record.customer.tags), result.decision.change).names
            self.haravan.edit(customer, announce=False, tags=tags)
            calls = 1 + bool(result.decision.change.add and result.decision.change.remove)
            if cause == "delivery":
                self._today.live_calls += calls
            else:
                self._today.bulk_calls += calls
                self._last_ms += 1000 // WRITES_PER_S
            for change in result.decision.changes:
                self._today.changes[change.effect, change.rule, change.tag] += 1
        self._states[customer] = result.stored
        self._records[customer] = parse_record(self.haravan.body(customer)).customer
        if result.decision.next_change is not None:
            self._due[customer] = result.decision.next_change
        else:
            self._due.pop(customer, None)
        self.past.settlements.append(
            PastSettlement(
                at_ms=now_ms,
                customer=customer,
                snapshot=settlement.snapshot or b"",
                owned=settlement.owned or b"",
                holds=settlement.holds or b"",
                next_change_day=settlement.next_change_day,
                ledger_entries=tuple(settlement.ledger_entries or ()),
                drift=tuple(drift),
            )
        )
        return isinstance(outcome, WriteNeeded)

    def _close_day(self, day: int) -> None:
        """The record of a day, with the customers that the nightly walk would count."""
        changes: dict[TagOfRule, TagChanges] = {}
        for (effect, rule, tag), count in self._today.changes.items():
            name = TagOfRule(rule, tag)
            before = changes.get(name, TagChanges())
            changes[name] = before._replace(
                **{"added" if effect == "add" else "removed": count}  # an entry for each effect
            )
        customers = self.haravan.ids()
        had = Counter(fold(tag) for customer in customers for tag in self.haravan.tags(customer))
        given = dict.fromkeys(tag for rule in self._rules.rule_set.all for tag in rule.tags)
        self._today.oldest_s = max(self._today.oldest_s, self._today.backlog // 50)
        self.past.days.append(
            DayCounts(
                day=day,
                changes=changes,
                live_calls=self._today.live_calls,
                bulk_calls=self._today.bulk_calls + -(-len(customers) // 50),
                backlog=self._today.backlog,
                oldest_s=self._today.oldest_s,
                customers=len(customers),
                tagged={tag: had[fold(tag)] for tag in given},
            )
        )

    def _dead_letters(self, now_ms: int) -> Iterator[DeadLetter]:
        """Two customers to whom a tag could not be written this morning."""
        owners = [each for each, state in self._states.items() if state.state.ownership]
        for customer in self.rng.sample(owners, min(2, len(owners))):
            first_ms = now_ms - self.rng.randrange(2, 5) * 3_600_000
            yield DeadLetter(
                customer,
                "rejected",
                "422: tags is too long (maximum is 250 characters)",
                first_ms,
                first_ms + 900_000,
                3,
                transient=False,
            )

    # the shop

    def _happen(self, seal: Seal) -> None:
        """Something happens in the shop."""
        kinds: Mapping[Callable[[], tuple[int, str]], int] = {
            self._order: 62,
            self._refund: 7,
            self._new_customer: 14,
            self._newsletter: 9,
            self._tag_by_hand: 8,
        }
        kind = self.rng.choices([*kinds], [*kinds.values()])[0]
        customer, topic = kind()
        self._deliver(customer, topic, seal)

    def _order(self) -> tuple[int, str]:
        customer = self.rng.choice(self.haravan.ids())
        self.haravan.order(customer, max(60_000, round(self.rng.lognormvariate(13.4, 0.9), -4)))
        return customer, "orders/paid"

    def _refund(self) -> tuple[int, str]:
        bought = [each for each in self.haravan.ids() if (self._records[CustomerId(each)].orders_count or 0)]
        customer = self.rng.choice(bought)
        spent = (self._records[CustomerId(customer)].total_spent or 0) // 10_000
        self.haravan.refund(customer, min(spent, self.rng.randrange(5, 120) * 10_000))
        return customer, "orders/updated"

    def _new_customer(self) -> tuple[int, str]:
        family = self.rng.choice(fake_data.FAMILY)[0]
        customer = self.haravan.create(
            first_name=self.rng.choice(fake_data.FEMALE),
            last_name=family,
            accepts_marketing=self.rng.random() < 0.6,
            province_code=self.rng.choice(("HC", "HC", "HI", "DA")),
        )
        return customer, "customers/create"

    def _newsletter(self) -> tuple[int, str]:
        customer = self.rng.choice(self.haravan.ids())
        subscribed = bool(self._records[CustomerId(customer)].accepts_marketing)
        self.haravan.edit(customer, accepts_marketing=not subscribed)
        return customer, "customers/update"

    def _tag_by_hand(self) -> tuple[int, str]:
        customer = self.rng.choice(self.haravan.ids())
        self.haravan.tag_by_hand(customer, self.rng.choice(("Khách sỉ", "Quà tặng", "Chăm sóc riêng")))
        return customer, "customers/update"

    # time

    def _now_ms(self) -> int:
        return int(self.clock() * 1000)

    def _next_ms(self) -> int:
        """A moment of its own for everything that happens."""
        self._last_ms = max(self._last_ms + 1, self._now_ms())
        return self._last_ms

    def _wait_until(self, at_s: float) -> bool:
        """Move the clock to a moment. False if it has passed already, or has not come yet."""
        if not self.clock() <= at_s < self._end_s:
            return False
        self.clock.advance(at_s - self.clock())
        return True


async def keep_selling(haravan: ShopHandle, rng: Random, *, pause_s: float) -> None:
    """Let customers buy for ever, so that the pages of the shop live."""
    while True:
        await asyncio.sleep(pause_s * rng.uniform(0.5, 1.5))
        customer = rng.choice(haravan.ids())
        haravan.order(customer, max(60_000, round(rng.lognormvariate(13.4, 0.9), -4)))


def begin(clock: Clock) -> None:
    """Set the clock of a sandbox back to the morning three weeks ago, before the shop opens in it."""
    zone = ZoneInfo(DEFAULT_TIMEZONE)
    first = datetime.fromtimestamp(clock(), zone).date() - timedelta(days=DAYS)
    clock.advance(datetime.combine(first, time(), zone).timestamp() - clock())
