"""Work of a page that may take longer than people wait for an answer: the page then shows its progress, and asks again.

Small shops are evaluated within `ANSWER_TIMEOUT_S`, so their readers never see it.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Concatenate, Final, ParamSpec, TypeVar

from service.context import Context
from service.domain.access import Role
from service.domain.customers import OrgId
from service.errors import NotFound
from service.publishing.review import execute, result_of
from service.sentence import Sentence
from service.store import tasks
from service.store.tasks import PageTask
from service.web.pages.shell import Crumb, Notice, Page, Redirect, View, Visit

ANSWER_TIMEOUT_S: Final = 1.0
MAX_AGE_MS: Final = 300_000  # a review that took longer than `ANSWER_TIMEOUT_S` is shown again for so long
P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Working:
    """Work that goes on. `path` is the page that asks again, `percent` is None before anything is known."""

    path: str
    percent: int | None
    done: int
    total: int


async def reviewed(
    visit: Visit,
    name: str,
    kind: type[T],
    function: Callable[Concatenate[Context, OrgId, P], Awaitable[Any]],
    *args: P.args,
    **kwargs: P.kwargs,
) -> T | PageTask:
    """The result of a review in the CPU pool, or its task if that takes longer. Raises what the function raises.

    The name stands for the arguments. `?fresh` asks for a new review.
    """
    redis, org = visit.context.redis, visit.org
    task = await tasks.load(redis, org, name)
    if task is not None and not is_reusable(
        task, now_ms=await visit.context.now_ms(), is_fresh_wanted="fresh" in visit.query
    ):
        await tasks.delete(redis, org, name)
        if task.status == "failed":
            result_of(task, kind)  # raises: a reader sees the error once, and the next one starts again
        task = None
    if task is None:
        await _start(visit, name, function, *args, **kwargs)
        task = await tasks.load(redis, org, name)
    if task is None or task.status == "running":
        return task or PageTask(started_ms=0)
    return result_of(task, kind)


async def submit(
    visit: Visit,
    done: str,
    function: Callable[Concatenate[Context, OrgId, P], Awaitable[int]],
    *args: P.args,
    **kwargs: P.kwargs,
) -> Redirect:
    """Carry out a change in the CPU pool, and lead to the page that follows. `done`: see `FOLLOWS`."""
    name = f"{done}-{secrets.token_hex(8)}"
    await _start(visit, name, function, *args, **kwargs)
    task = await tasks.load(visit.context.redis, visit.org, name)
    if task is None or task.status == "running":
        return Redirect(f"/shops/{visit.org}/working/{name}")
    return _follow(visit, done, result_of(task, int))


async def show_working(visit: Visit) -> View | Redirect:
    """The progress of a change. At its end it leads to the page that follows."""
    name = visit.path["name"]
    done, _, key = name.partition("-")
    if done not in FOLLOWS or not (key.isascii() and key.isalnum() and len(key) == 16):
        raise NotFound(Sentence("there is no such work"))
    await visit.context.shops.describe(visit.org)
    task = await tasks.load(visit.context.redis, visit.org, name)
    if task is None:
        raise NotFound(Sentence("this work is not known any more: the history shows whether it was done"))
    path = f"/shops/{visit.org}/working/{name}"
    if task.status == "running":
        return show_progress(visit, task, path, visit.t(f"working.{done}"))
    if visit.is_partial:  # an error must be a page of its own
        return Redirect(path)
    return _follow(visit, done, result_of(task, int))


def show_progress(
    visit: Visit, task: PageTask, path: str, title: str, crumbs: tuple[Crumb, ...] = ()
) -> View:
    """The page that waits for a task, and asks for `path` again."""
    percent = 100 * task.done // task.total if task.total else None
    return View("publishing/working.html", Working(path, percent, task.done, task.total), title, crumbs)


def is_reusable(task: PageTask, *, now_ms: int, is_fresh_wanted: bool) -> bool:
    """Whether the reader may see this task: it runs, or its end was slow and is recent."""
    if task.status == "running":
        return True
    if is_fresh_wanted or task.status == "failed":
        return False
    is_slow = task.ended_ms - task.started_ms >= 1000 * ANSWER_TIMEOUT_S
    return is_slow and now_ms - task.ended_ms < MAX_AGE_MS


async def _start(
    visit: Visit, name: str, function: Callable[..., Awaitable[Any]], *args: Any, **kwargs: Any
) -> None:
    """Start a task unless it runs, and wait for it for a moment. Raises Overloaded."""
    redis, org = visit.context.redis, visit.org
    if not await tasks.start(redis, org, name, PageTask(started_ms=await visit.context.now_ms())):
        return
    work = visit.background.start(_run(visit, name, function, *args, **kwargs))
    await asyncio.wait({work}, timeout=ANSWER_TIMEOUT_S)
    if work.done():
        work.result()


async def _run(
    visit: Visit, name: str, function: Callable[..., Awaitable[Any]], *args: Any, **kwargs: Any
) -> None:
    try:
        await visit.cpu.run(execute, visit.org, name, function, *args, **kwargs)
    except Exception:
        found = await tasks.load(visit.context.redis, visit.org, name)
        if found is not None and found.status == "running":  # its process died, or it never began
            await tasks.delete(visit.context.redis, visit.org, name)
        raise


def _follow(visit: Visit, done: str, number: int) -> Redirect:
    return FOLLOWS[done](visit, number)


def _to_version(key: str) -> Callable[[Visit, int], Redirect]:
    def follow(visit: Visit, number: int) -> Redirect:
        if not number:
            return Redirect(f"/shops/{visit.org}", Notice(key, {"number": "0"}))
        return Redirect(f"/shops/{visit.org}/history/{number}", Notice(key, {"number": str(number)}))

    return follow


def _to_scheduled(visit: Visit, _: int) -> Redirect:
    return Redirect(f"/shops/{visit.org}/rules/publish/scheduled", Notice("notice.scheduled"))


# what was done -> where its reader goes with the number that it returned
FOLLOWS: Final[dict[str, Callable[[Visit, int], Redirect]]] = {
    "publish": _to_version("notice.published"),
    "rollback": _to_version("notice.published"),
    "unfreeze": _to_version("notice.unfrozen"),
    "approve": _to_version("notice.first_look_approved"),
    "schedule": _to_scheduled,
}
PAGES: Final = (Page("GET", "/shops/{org}/working/{name}", show_working, Role.MARKETER),)
