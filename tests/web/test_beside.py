"""The process beside the web's: started when needed, gone when not, and never missed in silence."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from service.settings import Settings
from service.store.shops import Shops
from service.web.ops.__main__ import NICE
from service.web.ops.beside import Beside
from service.web.ops.questions import Question
from tests.web.conftest import KEY, ORG

pytestmark = pytest.mark.timeout(600)  # each starts processes
HISTORY = Question("list_versions", "an", {"org": ORG})
STUBBORN = (sys.executable, "-c", "import time; time.sleep(600)")
DEAF = (sys.executable, "-c", "import sys; sys.stdin.read()")  # takes every question and answers none


@pytest.fixture
async def beside(settings: Settings, shops: Shops) -> AsyncIterator[Beside]:
    beside = Beside(settings, idle_s=600)
    yield beside
    await beside.stop()


def children(named: str = "service.web.ops") -> set[int]:
    """The processes that this one has started and that still run, by what stands in their arguments."""
    found = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split()
    return {int(pid) for pid in found if named in arguments(pid)}


def arguments(pid: int | str) -> str:
    """What anybody on the machine may read of it."""
    return Path(f"/proc/{pid}/cmdline").read_text()


async def gone(pids: set[int]) -> None:
    """Wait until none of them runs."""
    async with asyncio.timeout(60):
        while children() & pids:  # noqa: ASYNC110  # a process tells its end by nothing else
            await asyncio.sleep(0.01)


async def test_questions_are_answered_together_by_one_process_that_knows_its_place(beside: Beside) -> None:
    questions = [HISTORY, Question("list_versions", "an", {"org": "999"}), HISTORY]

    replies = await asyncio.gather(*map(beside.answer, questions))

    assert [reply.status for reply in replies] == [200, 404, 200]
    assert msgspec.json.decode(replies[0].body) == {"versions": []}
    assert replies[1].media_type == "application/problem+json"
    [pid] = children()
    assert os.getpriority(os.PRIO_PROCESS, pid) == NICE
    assert KEY not in arguments(pid)


async def test_when_it_is_killed_the_question_is_refused_and_the_next_one_answered(beside: Beside) -> None:
    await beside.answer(HISTORY)
    [pid] = children()
    os.kill(pid, signal.SIGSTOP)
    asked = asyncio.create_task(beside.answer(HISTORY))
    await asyncio.sleep(0)
    os.kill(pid, signal.SIGKILL)

    refused, answered = await asked, await beside.answer(HISTORY)

    assert (refused.status, answered.status) == (503, 200)
    assert refused.headers == {"Retry-After": "1"}


async def test_it_ends_when_nothing_was_asked_for_a_while(settings: Settings, shops: Shops) -> None:
    beside = Beside(settings, idle_s=0)

    first = await beside.answer(HISTORY)
    started = children()
    await gone(started)
    second = await beside.answer(HISTORY)
    await beside.stop()

    assert (first.status, second.status) == (200, 200)
    assert not children()


async def test_too_many_questions_are_refused_at_once(settings: Settings) -> None:
    beside = Beside(settings, command=DEAF, most=1)
    waiting = asyncio.create_task(beside.answer(HISTORY))
    await asyncio.sleep(0)

    refused = await beside.answer(HISTORY)
    await beside.stop()

    assert (refused.status, (await waiting).status) == (503, 503)


async def test_a_question_given_up_before_there_is_a_process_leaves_none_behind(settings: Settings) -> None:
    beside = Beside(settings, command=STUBBORN)
    asked = asyncio.create_task(beside.answer(HISTORY))
    await asyncio.sleep(0)

    asked.cancel()
    await asyncio.wait([asked])
    await beside.stop()

    assert asked.cancelled()
    assert not children(STUBBORN[-1])


async def test_a_process_that_cannot_be_started_is_told(settings: Settings) -> None:
    beside = Beside(settings, command=("/nowhere/at/all",))

    assert (await beside.answer(HISTORY)).status == 503


async def test_without_a_question_there_is_no_process(settings: Settings) -> None:
    await Beside(settings).stop()

    assert not children()


async def test_a_process_that_does_not_end_is_ended(settings: Settings) -> None:
    beside = Beside(settings, command=STUBBORN, end_within_s=0.05)
    asked = asyncio.create_task(beside.answer(HISTORY))
    async with asyncio.timeout(60):
        while not children(STUBBORN[-1]):  # noqa: ASYNC110  # that it was started is told by nothing else
            await asyncio.sleep(0.01)

        await beside.stop()

    assert (await asked).status == 503
    assert not children(STUBBORN[-1])
