"""The events of the demo (orders, returns, new customers, tags by hand), and the run that plays them.

Customers are selected only by records and rules, never by their current tags. Therefore the same seed gives the same
day, however fast the service is.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from random import Random
from typing import Final

from deploy.demonstration.environment import ORG, DemoEnvironment, Options
from deploy.demonstration.expected import ExpectedTags
from deploy.demonstration.history import keep_selling
from deploy.demonstration.observer import Stats, queue_length, wait_for_result, wait_idle
from deploy.demonstration.view import (
    Latencies,
    Reasons,
    Screen,
    format_vnd,
    name_of,
    print_summary,
    print_verdict,
    status_parts,
)
from deploy.sandbox import ShopHandle, fake_data
from service.domain.access import shell_user
from service.domain.customers import TEN_THOUSANDTHS, Customer, CustomerId, fold
from service.operations import Selection, count_replay, start_replay
from service.sentence import Sentence

SAMPLE_SIZE: Final = 400  # how many customers to search for a suitable one
MAX_DISTANCE: Final = 4_000_000  # đồng between a customer's total and a threshold that one order may exceed
STATUS_INTERVAL_S: Final = 0.25
SELLING_PAUSE_S: Final = 9.0  # in the shop with a past
DUPLICATE_RATE: Final = 0.2  # of the webhooks of the fixed day, because Haravan repeats webhooks at times


@dataclass(frozen=True, slots=True)
class Event:
    """One event of one customer. `act` causes it and returns the customer's id."""

    who: Sentence | str
    what: Sentence
    act: Callable[[], int]


class Scenario:
    """An endless sequence of random events.

    `with_manual_tags`: staff change tags too. This needs the first evaluation to be complete, because staff cannot
    remove a tag that does not exist yet.
    """

    def __init__(self, haravan: ShopHandle, expected: ExpectedTags, rng: Random) -> None:
        self.with_manual_tags = False
        self._haravan = haravan
        self._expected = expected
        self._rng = rng
        self._kinds: list[tuple[Callable[[], Event | None], int]] = [
            (self._order_over_threshold, 30),
            (self._random_order, 20),
            (self._refund, 14),
            (self._new_customer, 10),
            (self._returning_customer, 10),
            (self._newsletter, 6),
        ]
        self._manual_kinds: list[tuple[Callable[[], Event | None], int]] = [
            (self._tag_by_hand, 10),
            (self._untag_by_hand, 10),
        ]

    def __iter__(self) -> Iterator[Event]:
        while True:
            kinds = [*self._kinds, *(self._manual_kinds if self.with_manual_tags else ())]
            factories, weights = zip(*kinds, strict=True)
            event = self._rng.choices(factories, weights)[0]()
            if event is not None:
                yield event

    def _random_order(self) -> Event | None:
        return self._order(self._pick(lambda _: True), round(self._rng.lognormvariate(13.2, 0.9), -4))

    def _order_over_threshold(self) -> Event | None:
        thresholds = self._expected.thresholds
        customer = self._pick(
            lambda customer: any(0 < limit - total_spent(customer) <= MAX_DISTANCE for limit in thresholds)
        )
        if customer is None:
            return None
        threshold = min(limit for limit in thresholds if limit > total_spent(customer))
        return self._order(customer, threshold - total_spent(customer) + self._rng.randrange(1, 60) * 10_000)

    def _returning_customer(self) -> Event | None:
        return self._order(self._pick(self._has_expected("ngủ đông")), self._rng.randrange(15, 90) * 10_000)

    def _order(self, customer: Customer | None, amount: float) -> Event | None:
        if customer is None:
            return None
        bought = max(10_000, -(-int(amount) // 10_000) * 10_000)
        total = format_vnd(total_spent(customer) + bought)
        return self._event(
            customer,
            Sentence("buys for {amount}, total {total}", amount=format_vnd(bought), total=total),
            lambda: self._haravan.order(customer.id, bought),
        )

    def _refund(self) -> Event | None:
        thresholds = self._expected.thresholds
        customer = self._pick(lambda customer: bool(thresholds) and total_spent(customer) >= thresholds[0])
        if customer is None:
            return None
        reached = max(limit for limit in thresholds if limit <= total_spent(customer))
        amount = min(
            total_spent(customer), total_spent(customer) - reached + self._rng.randrange(1, 50) * 10_000
        )
        left = format_vnd(total_spent(customer) - amount)
        return self._event(
            customer,
            Sentence("returns goods for {amount}, total {total}", amount=format_vnd(amount), total=left),
            lambda: self._haravan.refund(customer.id, amount),
        )

    def _new_customer(self) -> Event:
        given, family = self._rng.choice(fake_data.FEMALE), self._rng.choice(fake_data.FAMILY)[0]
        birthday = datetime.now(UTC).date().replace(year=self._rng.randrange(1960, 2005), day=15)
        born = birthday if self._rng.random() < 0.5 else None
        return Event(
            f"{family} {given}",
            Sentence("is a new customer in Hồ Chí Minh, born this month, subscribes to the newsletter")
            if born
            else Sentence("is a new customer in Hồ Chí Minh, subscribes to the newsletter"),
            lambda: self._haravan.create(
                first_name=given, last_name=family, birthday=born, accepts_marketing=True, province_code="HC"
            ),
        )

    def _newsletter(self) -> Event | None:
        customer = self._pick(
            lambda customer: customer.province_code == "HC" and not customer.accepts_marketing
        )
        if customer is None:
            return None
        return self._event(
            customer,
            Sentence("subscribes to the newsletter"),
            lambda: self._haravan.edit(customer.id, accepts_marketing=True),
        )

    def _tag_by_hand(self) -> Event | None:
        customer = self._pick(self._has_expected("nhận tin hcm"))
        if customer is None:
            return None
        return self._event(
            customer,
            Sentence("staff add the tag {tag} by hand", tag="Khách sỉ"),
            lambda: self._haravan.tag_by_hand(customer.id, "Khách sỉ"),
        )

    def _untag_by_hand(self) -> Event | None:
        customer = self._pick(lambda customer: bool(self._expected.wanted(customer, datetime.now(UTC))))
        if customer is None:
            return None
        key = min(self._expected.wanted(customer, datetime.now(UTC)))
        tag = self._expected.spellings[key]
        return self._event(
            customer,
            Sentence("staff remove the tag {tag} by hand", tag=tag),
            lambda: self._haravan.untag_by_hand(customer.id, tag),
        )

    def _has_expected(self, tag: str) -> Callable[[Customer], bool]:
        return lambda customer: fold(tag) in self._expected.wanted(customer, datetime.now(UTC))

    def _pick(self, matches: Callable[[Customer], bool]) -> Customer | None:
        ids = self._haravan.ids()
        for customer_id in self._rng.sample(ids, min(SAMPLE_SIZE, len(ids))):
            customer = self._expected.read(self._haravan.body(customer_id))
            if matches(customer):
                return customer
        return None

    def _event(self, customer: Customer, what: Sentence, change: Callable[[], object]) -> Event:
        def act() -> int:
            change()
            return customer.id

        return Event(name_of(customer), what, act)


def total_spent(customer: Customer) -> int:
    """What the customer has spent so far. Unknown counts as nothing."""
    return (customer.total_spent or 0) // TEN_THOUSANDTHS


class DemoRun:
    """One run of the demo: its environment, scenario, screen and statistics."""

    def __init__(self, environment: DemoEnvironment, screen: Screen, options: Options) -> None:
        self.environment = environment
        self.screen = screen
        self.options = options
        self.rng = Random(options.seed)  # noqa: S311  # a made-up day needs no secure random numbers
        self.expected = ExpectedTags(environment.rule_set)
        self.reasons = Reasons(environment.rule_set, screen.words)
        self.scenario = Scenario(environment.haravan, self.expected, self.rng)
        self.stats = Stats()
        self.latencies = Latencies()
        self.first_evaluation = True  # until all customers were evaluated once

    async def evaluate_all(self) -> None:
        """Queue all customers, after live webhooks."""
        customers = tuple(map(CustomerId, self.environment.haravan.ids()))
        self.screen.plain(
            Sentence(
                "First, all {count} customers are evaluated: read 50 at a time, tags written at the 4 calls a "
                "second that Haravan allows. Events in the shop are handled first.",
                count=len(customers),
            )
        )
        self.screen.blank()
        context, by = self.environment.context, shell_user("demo")
        counted = await count_replay(context, ORG, Selection(customers=customers), by=by)
        await start_replay(context, ORG, counted.id, by=by, reason="first evaluation")

    async def play(self, event: Event, *, show_first: bool) -> None:
        """Cause the event, wait for its result and show both. `show_first`: show the event before waiting."""
        began = self.environment.haravan.shop.clock()
        customer = event.act()
        if show_first:
            self.screen.show_event(began, event.who, event.what)
        result = await wait_for_result(self.environment, customer, began=began)
        if not show_first:
            self.screen.show_event(began, event.who, event.what)
        self.screen.show_result(result, self.reasons)
        if result.written and result.after_s is not None:
            (self.latencies.busy if self.first_evaluation else self.latencies.idle).append(result.after_s)

    @asynccontextmanager
    async def live_status(self) -> AsyncIterator[None]:
        """Keep the statistics and the status line up to date inside this block."""
        with self.screen.status_line():
            updating = asyncio.create_task(self._keep_status_current())
            try:
                yield
            finally:
                updating.cancel()
                await asyncio.gather(updating, return_exceptions=True)

    async def _keep_status_current(self) -> None:
        while True:
            waiting = await queue_length(self.environment)
            await self.stats.update(self.environment)
            if not waiting:
                self.end_first_evaluation()
            self.screen.update_status(status_parts(self.environment, self.stats, waiting=waiting))
            await asyncio.sleep(STATUS_INTERVAL_S)

    def end_first_evaluation(self) -> None:
        """All customers were evaluated once: from now on the service only follows events."""
        if not self.first_evaluation:
            return
        self.first_evaluation = False
        self.scenario.with_manual_tags = True
        self.screen.blank()
        self.screen.plain(
            Sentence("All customers were evaluated. From now on the service only follows events.")
        )
        self.screen.blank()


async def play_for_ever(environment: DemoEnvironment, screen: Screen, options: Options) -> int:
    """Play one event after the other until cancelled, then print a summary."""
    run = DemoRun(environment, screen, options)
    await run.evaluate_all()
    selling = None
    if environment.past_shop is not None:
        rng = Random(options.seed)  # noqa: S311  # a made-up day needs no secure random numbers
        selling = asyncio.create_task(keep_selling(environment.past_shop, rng, pause_s=SELLING_PAUSE_S))
    try:
        async with run.live_status():
            for event in run.scenario:
                await run.play(event, show_first=True)
                await asyncio.sleep(options.pause_s * run.rng.uniform(0.4, 1.6))
    finally:
        if selling is not None:
            selling.cancel()
        print_summary(screen, environment, run.stats, run.latencies)
    return 0


async def play_once(environment: DemoEnvironment, screen: Screen, options: Options) -> int:
    """Play a fixed day, wait until everything is done, and check every customer. Returns 0 if all tags are correct."""
    run = DemoRun(environment, screen, options)
    environment.haravan.deliveries.duplicate_rate = DUPLICATE_RATE
    await run.evaluate_all()
    async with run.live_status():
        events = iter(run.scenario)
        async with asyncio.TaskGroup() as group:
            for _ in range(options.concurrent_events):
                group.create_task(run.play(next(events), show_first=False))
                await asyncio.sleep(options.short_pause_s)
        is_idle = await wait_idle(environment)
        if is_idle:
            run.end_first_evaluation()
            for _ in range(options.sequential_events):
                await run.play(next(events), show_first=True)
            is_idle = await wait_idle(environment)
        await run.stats.update(environment)
    print_summary(screen, environment, run.stats, run.latencies)
    customers = [run.expected.read(environment.haravan.body(id_)) for id_ in environment.haravan.ids()]
    now = datetime.now(UTC)
    mismatches = [mismatch for customer in customers if (mismatch := run.expected.check(customer, now))]
    code = print_verdict(screen, mismatches, customers=len(customers), is_idle=is_idle)
    if code:
        screen.plain(Sentence("The output of web and worker is in {folder}", folder=str(environment.folder)))
    return code
