"""A review that takes long shows its progress, is computed once for all who ask, and is not computed again at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from starlette.datastructures import FormData, QueryParams

from service.context import Context
from service.cpu_pool import InProcess
from service.domain.customers import OrgId
from service.errors import NotFound, Overloaded, Refused
from service.locales import translator_for
from service.publishing import review
from service.runtime import BackgroundTasks
from service.store import tasks
from service.store.client import RedisClient
from service.store.rules import Versions
from service.store.shops import ShopRepository
from service.store.tasks import PageTask
from service.web.pages.publishing import working
from service.web.pages.shell import Redirect, View, Visit
from tests.support.customers import spending, store_customers
from tests.support.shop import ORG


class Gate:
    """A function that waits for `opened`, and how often it was called."""

    def __init__(self) -> None:
        self.opened, self.calls = asyncio.Event(), 0

    async def __call__(self, context: Context, org: OrgId) -> int:
        self.calls += 1
        await context.on_read(7)
        await self.opened.wait()
        return 42


class FullPool:
    """A pool that takes no more work."""

    async def run(self, *_: Any, **__: Any) -> Any:
        raise Overloaded("too many evaluations are running")


@pytest.fixture
def context(redis: RedisClient, shops: ShopRepository) -> Context:
    return Context(redis, shops, Versions(redis))


@pytest.fixture
async def gate(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Gate]:
    monkeypatch.setattr(working, "ANSWER_TIMEOUT_S", 0.05)
    gate = Gate()
    yield gate
    gate.opened.set()


def visit_of(context: Context, *, cpu: Any = None, query: str = "", name: str = "") -> Visit:
    return Visit(
        context=context,
        cpu=cpu or InProcess(context),
        t=translator_for("vi"),
        path={"org": ORG, "name": name},
        query=QueryParams(query),
        form=FormData(),
        client="",
        agent="",
        url="",
        is_partial=False,
        sign_ins=None,  # type: ignore[arg-type]  # these pages do not sign in
        doctor=None,  # type: ignore[arg-type]  # nor do they show the strip
        alerts=None,  # type: ignore[arg-type]  # nor do they raise any
        background=BackgroundTasks(),
    )


async def finish(visit: Visit, gate: Gate) -> None:
    gate.opened.set()
    await visit.background.wait()


async def test_long_work_is_a_task_with_progress_and_then_its_result(context: Context, gate: Gate) -> None:
    visit = visit_of(context)

    waiting = await working.reviewed(visit, "review-1", int, gate)
    again = await working.reviewed(visit, "review-1", int, gate)
    await finish(visit, gate)

    assert isinstance(waiting, PageTask)
    assert isinstance(again, PageTask)
    assert gate.calls == 1
    task = await tasks.load(context.redis, ORG, "review-1")
    assert task is not None
    assert review.result_of(task, int) == 42


async def test_a_short_review_is_computed_each_time(
    context: Context, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(working, "ANSWER_TIMEOUT_S", 60.0)
    gate.opened.set()
    visit = visit_of(context)

    results = [await working.reviewed(visit, "review-1", int, gate) for _ in range(2)]

    assert (results, gate.calls) == ([42, 42], 2)


@pytest.mark.parametrize(
    ("task", "is_fresh_wanted", "expected"),
    [
        (PageTask(started_ms=0), False, True),
        (PageTask(status="done", started_ms=0, ended_ms=5_000), False, True),
        (PageTask(status="done", started_ms=0, ended_ms=5_000), True, False),
        (PageTask(status="done", started_ms=0, ended_ms=10), False, False),
        (PageTask(status="failed", started_ms=0, ended_ms=5_000), False, False),
    ],
)
def test_a_slow_result_is_shown_again_for_a_while(
    monkeypatch: pytest.MonkeyPatch, task: PageTask, is_fresh_wanted: bool, expected: bool
) -> None:
    monkeypatch.setattr(working, "ANSWER_TIMEOUT_S", 2.0)
    reusable = working.is_reusable(task, now_ms=6_000, is_fresh_wanted=is_fresh_wanted)

    assert reusable is expected
    assert not working.is_reusable(
        PageTask(status="done", started_ms=0, ended_ms=5_000), now_ms=400_000, is_fresh_wanted=False
    )


@pytest.mark.parametrize("error", [Refused("nein"), NotFound("weg")])
async def test_the_error_of_a_task_is_raised_to_its_reader(context: Context, error: Exception) -> None:
    async def fail(_: Context, __: OrgId) -> int:
        raise error

    with pytest.raises(type(error), match=str(error)):
        await working.reviewed(visit_of(context), "review-1", int, fail)


async def test_a_slow_failure_is_raised_once_and_then_tried_again(context: Context, gate: Gate) -> None:
    failed = PageTask(status="failed", started_ms=0, ended_ms=5_000, error="Refused", text="nein")
    await tasks.save(context.redis, ORG, "review-1", failed)
    gate.opened.set()

    with pytest.raises(Refused, match="nein"):
        await working.reviewed(visit_of(context), "review-1", int, gate)

    assert await working.reviewed(visit_of(context), "review-1", int, gate) == 42


async def test_a_pool_that_is_full_leaves_no_task_behind(context: Context, gate: Gate) -> None:
    visit = visit_of(context, cpu=FullPool())

    with pytest.raises(Overloaded):
        await working.reviewed(visit, "review-1", int, gate)

    assert await tasks.load(context.redis, ORG, "review-1") is None


async def test_a_long_change_leads_to_a_page_that_waits_and_then_goes_on(
    context: Context, gate: Gate
) -> None:
    visit = visit_of(context)

    sent = await working.submit(visit, "publish", gate)
    name = sent.path.rpartition("/")[2]
    waiting = await working.show_working(visit_of(context, name=name))
    await finish(visit, gate)
    part = await working.show_working(replace(visit_of(context, name=name), is_partial=True))
    done = await working.show_working(visit_of(context, name=name))

    assert sent.path == f"/shops/{ORG}/working/{name}"
    assert isinstance(waiting, View)
    assert isinstance(waiting.model, working.Working)
    assert isinstance(part, Redirect)
    assert part.path == sent.path  # the whole page then leads on, or shows the error
    assert isinstance(done, Redirect)
    assert done.path == f"/shops/{ORG}/history/42"


@pytest.mark.parametrize("name", ["x", "publish-1", "publish-0123456789abcdef", "drop-0123456789abcdef"])
async def test_work_that_nobody_knows_is_not_found(context: Context, name: str) -> None:
    with pytest.raises(NotFound):
        await working.show_working(visit_of(context, name=name))


async def test_progress_counts_the_customers_that_were_read(
    context: Context, shops: ShopRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(review.tasks, "REPORT_INTERVAL_S", 0.0)
    await store_customers(context.redis, shops, ORG, spending(20))
    seen: list[tuple[int, int]] = []

    async def look(context: Context, org: OrgId) -> int:
        await context.on_read(8)
        task = await tasks.load(context.redis, org, "review-1")
        assert task is not None
        seen.append((task.done, task.total))
        return 1

    await review.execute(context, ORG, "review-1", look)

    assert seen == [(8, 20)]
