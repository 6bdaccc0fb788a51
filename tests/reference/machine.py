"""The state machine: anything that may happen to a shop, in any order, and after it the tags of the book."""

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
from tests.reference.play import How, Play
from tests.workers.stage import staged

IDS = (101, 102, 103)
CUSTOMERS = st.sampled_from(IDS)
FIELDS = strategies.FIELDS
TAGS = st.sampled_from((*strategies.OURS, *strategies.LEVELS, *strategies.FOREIGN, "a", "gold"))
FEW_TAGS = st.lists(TAGS, max_size=2)
HOW: st.SearchStrategy[How] = st.sampled_from(("told", "told twice", "told late", "lost"))
DOCUMENTS = strategies.documents(whens=strategies.likely)
CALM = st.sampled_from((True, True, False))
STARTS = (
    date(2047, 12, 20),
    date(2048, 2, 27),
    date(2048, 3, 27),  # Berlin's clocks go forward on the 29th
    date(2048, 10, 23),  # and back on the 25th
    date(2049, 2, 26),
)


class Theatre:
    """What all plays share: an event loop and an empty store for each."""

    def __init__(self, redis_url: str) -> None:
        self._runner = asyncio.Runner()
        self._url = redis_url

    def run(self, doing: Coroutine[Any, Any, Any]) -> Any:
        return self._runner.run(doing)

    def close(self) -> None:
        self._runner.close()

    async def open(self, stack: AsyncExitStack, start: date) -> Play:
        redis = connect(self._url)
        stack.push_async_callback(redis.aclose)
        await redis.flushall()
        stage = await stack.enter_async_context(staged(redis, rules=""))
        began = datetime(start.year, start.month, start.day, 3, tzinfo=UTC).timestamp()
        stage.clock.advance(began - stage.clock())
        return Play(stage)


class AShop(RuleBasedStateMachine):
    """One shop's life. `theatre` is where it is played."""

    theatre: ClassVar[Theatre]

    def __init__(self) -> None:
        super().__init__()
        self._logs = ExitStack()
        self._logs.enter_context(capture_logs())
        self._stack = AsyncExitStack()

    def teardown(self) -> None:
        self.theatre.run(self._stack.aclose())
        self._logs.close()

    def do(self, doing: CoroutineType[Any, Any, None], calm: bool) -> None:
        self.play.note(doing)
        self.theatre.run(doing)
        if calm:
            self.theatre.run(self.play.calm())

    def there(self, customer: int) -> bool:
        return customer in self.play.customers

    @initialize(
        doc=DOCUMENTS,
        start=st.sampled_from(STARTS),
        crowd=st.lists(st.tuples(FIELDS, FEW_TAGS), min_size=1, max_size=3),
    )
    def opens(self, doc: dict[str, Any], start: date, crowd: list[tuple[dict[str, Any], list[str]]]) -> None:
        self.play = self.theatre.run(self.theatre.open(self._stack, start))
        self.do(self.play.publish(in_dong(doc)), calm=False)
        for customer, (fields, tags) in zip(IDS, crowd, strict=False):
            self.do(self.play.create(customer, with_tags(fields, tags), "told"), calm=False)
        self.theatre.run(self.play.calm())

    @rule(customer=CUSTOMERS, fields=FIELDS, how=HOW, calm=CALM)
    def somebody_changes(self, customer: int, fields: dict[str, Any], how: How, calm: bool) -> None:
        if self.there(customer):
            self.do(self.play.edit(customer, fields, how), calm)

    @rule(customer=CUSTOMERS, fields=FIELDS, tags=FEW_TAGS, how=HOW, calm=CALM)
    def somebody_comes_or_goes(
        self, customer: int, fields: dict[str, Any], tags: list[str], how: How, calm: bool
    ) -> None:
        if self.there(customer):
            self.do(self.play.delete(customer, how), calm)
        else:
            self.do(self.play.create(customer, with_tags(fields, tags), how), calm)

    @rule(customer=CUSTOMERS, amount=st.integers(0, 4), how=HOW, calm=CALM)
    def somebody_orders(self, customer: int, amount: int, how: How, calm: bool) -> None:
        if self.there(customer):
            self.do(self.play.order(customer, amount, how), calm)

    @rule(customer=CUSTOMERS, tag=TAGS, how=HOW, calm=CALM)
    def a_person_puts_a_tag_on(self, customer: int, tag: str, how: How, calm: bool) -> None:
        if self.there(customer):
            self.do(self.play.put_on(customer, tag, how), calm)

    @rule(customer=CUSTOMERS, tag=TAGS, how=HOW, calm=CALM)
    def a_person_takes_a_tag_off(self, customer: int, tag: str, how: How, calm: bool) -> None:
        if self.there(customer):
            self.do(self.play.take_off(customer, tag, how), calm)

    @rule(customer=CUSTOMERS)
    def nothing_new_is_told(self, customer: int) -> None:
        if self.there(customer):
            self.do(self.play.echo(customer), calm=False)

    @rule(days=st.sampled_from((0, 1, 4, 5, 29, 30, 40)), hour=st.sampled_from((0, 2, 9, 22)), calm=CALM)
    def time_passes(self, days: int, hour: int, calm: bool) -> None:
        self.play.pass_time(days=days, hour=hour)
        if calm:
            self.theatre.run(self.play.calm())

    @rule(doc=DOCUMENTS, calm=CALM)
    def other_rules_are_published(self, doc: dict[str, Any], calm: bool) -> None:
        self.do(self.play.publish(in_dong(doc)), calm)

    @rule(data=st.data(), calm=CALM)
    def the_rules_are_edited(self, data: st.DataObject, calm: bool) -> None:
        doc = data.draw(strategies.edited(self.play.book.live))
        self.do(self.play.publish(in_dong(doc)), calm)

    @precondition(lambda self: self.play.book.version > 1)
    @rule(back=st.sampled_from((1, 1, 2, 3)))
    def the_rules_are_rolled_back(self, back: int) -> None:
        self.do(self.play.roll_back(max(1, self.play.book.version - back)), calm=True)

    @rule(tag=TAGS, how=st.sampled_from(("adopt", "adopt those that match", "retract")), calm=CALM)
    def a_person_claims_a_tag(self, tag: str, how: str, calm: bool) -> None:
        what: Literal["adopt", "retract"] = "retract" if how == "retract" else "adopt"
        matching = how == "adopt those that match"
        self.do(self.play.claim(tag, what=what, matching_only=matching), calm)

    @rule(customer=CUSTOMERS, one=st.sampled_from((*strategies.IDS, "t0")), calm=CALM)
    def somebody_is_left_alone_or_no_longer(self, customer: int, one: str, calm: bool) -> None:
        if self.there(customer):
            self.do(self.play.exclude(customer, one), calm)

    @rule(dice=st.integers(0, 4), calm=CALM)
    def the_shadow_comes_or_goes(self, dice: int, calm: bool) -> None:
        """Seldom, and not for long."""
        if self.play.book.shadow or not dice:
            self.do(self.play.shade(), calm)


def machine(theatre: Theatre) -> type[AShop]:
    """The machine, played there."""
    return type("AShop", (AShop,), {"theatre": theatre})


def with_tags(fields: dict[str, Any], tags: list[str]) -> dict[str, Any]:
    return fields | {"tags": strategies.unique(tags)}


def in_dong(doc: dict[str, Any]) -> dict[str, Any]:
    """The shop's currency is that of its records."""
    return {**doc, "currency": "VND"}
