"""The state machine: anything that may happen to a shop, in any order."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import AsyncExitStack, ExitStack
from datetime import UTC, date, datetime
from types import CoroutineType
from typing import Any, ClassVar, Literal

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule
from structlog.testing import capture_logs

from service.store.client.connection import connect
from tests.reference import strategies
from tests.reference.scenario import HIDEABLE, DeliveryMode, Scenario
from tests.workers.stage import staged

IDS = (101, 102, 103)
CUSTOMERS = st.sampled_from(IDS)
FIELDS = strategies.FIELDS
TAGS = st.sampled_from((*strategies.OURS, *strategies.LEVELS, *strategies.FOREIGN, "a", "gold"))
FEW_TAGS = st.lists(TAGS, max_size=2)
MODES: st.SearchStrategy[DeliveryMode] = st.sampled_from(
    ("delivered", "delivered twice", "delivered late", "lost")
)
DOCUMENTS = strategies.documents(whens=strategies.likely)
SETTLES = st.sampled_from((True, True, False))
STARTS = (
    date(2047, 12, 20),
    date(2048, 2, 27),
    date(2048, 3, 27),  # Berlin's clocks go forward on the 29th
    date(2048, 10, 23),  # and back on the 25th
    date(2049, 2, 26),
)


class ScenarioRunner:
    """What all scenarios share: an event loop, and a store that is emptied for each."""

    def __init__(self, redis_url: str, queue_url: str) -> None:
        self._runner = asyncio.Runner()
        self._url = redis_url
        self._queue_url = queue_url

    def run(self, step: Coroutine[Any, Any, Any]) -> Any:
        return self._runner.run(step)

    def close(self) -> None:
        self._runner.close()

    async def open(self, stack: AsyncExitStack, start: date) -> Scenario:
        redis = connect(self._url, queue_url=self._queue_url)
        stack.push_async_callback(redis.aclose)
        await redis.flushall()
        stage = await stack.enter_async_context(staged(redis, rules=""))
        began = datetime(start.year, start.month, start.day, 3, tzinfo=UTC).timestamp()
        stage.clock.advance(began - stage.clock())
        return Scenario(stage)


class ShopMachine(RuleBasedStateMachine):
    """Anything that may happen to one shop."""

    runner: ClassVar[ScenarioRunner]

    def __init__(self) -> None:
        super().__init__()
        self._logs = ExitStack()
        self._logs.enter_context(capture_logs())
        self._stack = AsyncExitStack()

    def teardown(self) -> None:
        self.runner.run(self._stack.aclose())
        self._logs.close()

    def do(self, step: CoroutineType[Any, Any, None], settle: bool) -> None:
        self.scenario.log_step(step)
        self.runner.run(step)
        if settle:
            self.runner.run(self.scenario.settle())

    def exists(self, customer: int) -> bool:
        return customer in self.scenario.customers

    @initialize(
        doc=DOCUMENTS,
        start=st.sampled_from(STARTS),
        customers=st.lists(st.tuples(FIELDS, FEW_TAGS), min_size=1, max_size=3),
    )
    def start_shop(
        self, doc: dict[str, Any], start: date, customers: list[tuple[dict[str, Any], list[str]]]
    ) -> None:
        self.scenario = self.runner.run(self.runner.open(self._stack, start))
        self.do(self.scenario.publish(in_dong(doc)), settle=False)
        for customer, (fields, tags) in zip(IDS, customers, strict=False):
            self.do(self.scenario.create(customer, with_tags(fields, tags), "delivered"), settle=False)
        self.runner.run(self.scenario.settle())

    @rule(customer=CUSTOMERS, fields=FIELDS, mode=MODES, settle=SETTLES)
    def a_customer_changes(
        self, customer: int, fields: dict[str, Any], mode: DeliveryMode, settle: bool
    ) -> None:
        if self.exists(customer):
            self.do(self.scenario.edit(customer, fields, mode), settle)

    @rule(customer=CUSTOMERS, fields=FIELDS, tags=FEW_TAGS, mode=MODES, settle=SETTLES)
    def a_customer_is_created_or_deleted(
        self, customer: int, fields: dict[str, Any], tags: list[str], mode: DeliveryMode, settle: bool
    ) -> None:
        if self.exists(customer):
            self.do(self.scenario.delete(customer, mode), settle)
        else:
            self.do(self.scenario.create(customer, with_tags(fields, tags), mode), settle)

    @rule(customer=CUSTOMERS, amount=st.integers(0, 4), mode=MODES, settle=SETTLES)
    def a_customer_orders(self, customer: int, amount: int, mode: DeliveryMode, settle: bool) -> None:
        if self.exists(customer):
            self.do(self.scenario.order(customer, amount, mode), settle)

    @rule(customer=CUSTOMERS, tag=TAGS, mode=MODES, settle=SETTLES)
    def a_person_adds_a_tag(self, customer: int, tag: str, mode: DeliveryMode, settle: bool) -> None:
        if self.exists(customer):
            self.do(self.scenario.add_by_hand(customer, tag, mode), settle)

    @rule(customer=CUSTOMERS, tag=TAGS, mode=MODES, settle=SETTLES)
    def a_person_removes_a_tag(self, customer: int, tag: str, mode: DeliveryMode, settle: bool) -> None:
        if self.exists(customer):
            self.do(self.scenario.remove_by_hand(customer, tag, mode), settle)

    @rule(customer=CUSTOMERS)
    def a_webhook_without_a_change_arrives(self, customer: int) -> None:
        if self.exists(customer):
            self.do(self.scenario.echo(customer), settle=False)

    @rule(days=st.sampled_from((0, 1, 4, 5, 29, 30, 40)), hour=st.sampled_from((0, 2, 9, 22)), settle=SETTLES)
    def time_passes(self, days: int, hour: int, settle: bool) -> None:
        self.scenario.pass_time(days=days, hour=hour)
        if settle:
            self.runner.run(self.scenario.settle())

    @rule(doc=DOCUMENTS, settle=SETTLES)
    def other_rules_are_published(self, doc: dict[str, Any], settle: bool) -> None:
        self.do(self.scenario.publish(in_dong(doc)), settle)

    @rule(data=st.data(), settle=SETTLES)
    def the_rules_are_edited(self, data: st.DataObject, settle: bool) -> None:
        doc = data.draw(strategies.edited(self.scenario.expected.live))
        self.do(self.scenario.publish(in_dong(doc)), settle)

    @rule(
        keys=st.one_of(st.just(()), st.lists(st.sampled_from(sorted(HIDEABLE)), max_size=2)), settle=SETTLES
    )
    def the_api_hides_and_shows_fields(self, keys: list[str], settle: bool) -> None:
        self.do(self.scenario.hide(frozenset(keys)), settle)

    @precondition(lambda self: self.scenario.expected.version > 1)
    @rule(back=st.sampled_from((1, 1, 2, 3)))
    def the_rules_are_rolled_back(self, back: int) -> None:
        self.do(self.scenario.roll_back(max(1, self.scenario.expected.version - back)), settle=True)

    @rule(tag=TAGS, how=st.sampled_from(("adopt", "adopt those that match", "retract")), settle=SETTLES)
    def a_person_claims_a_tag(self, tag: str, how: str, settle: bool) -> None:
        what: Literal["adopt", "retract"] = "retract" if how == "retract" else "adopt"
        matching = how == "adopt those that match"
        self.do(self.scenario.claim(tag, what=what, matching_only=matching), settle)

    @rule(customer=CUSTOMERS, rule_id=st.sampled_from((*strategies.IDS, "t0")), settle=SETTLES)
    def a_customer_is_excluded_or_included(self, customer: int, rule_id: str, settle: bool) -> None:
        if self.exists(customer):
            self.do(self.scenario.exclude(customer, rule_id), settle)

    @rule(one_in_five=st.integers(0, 4), settle=SETTLES)
    def shadow_mode_begins_or_ends(self, one_in_five: int, settle: bool) -> None:
        """It begins seldom and does not last long."""
        if self.scenario.expected.shadow or not one_in_five:
            self.do(self.scenario.toggle_shadow_mode(), settle)


def machine(runner: ScenarioRunner) -> type[ShopMachine]:
    """The machine with its runner."""
    return type("ShopMachine", (ShopMachine,), {"runner": runner})


def with_tags(fields: dict[str, Any], tags: list[str]) -> dict[str, Any]:
    return fields | {"tags": strategies.unique(tags)}


def in_dong(doc: dict[str, Any]) -> dict[str, Any]:
    """The document with the currency of the records."""
    return {**doc, "currency": "VND"}
