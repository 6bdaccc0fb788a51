"""Runs a function of this room as a task: its progress, its result and its error are stored for the page that waits."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any, Concatenate, Final, ParamSpec, TypeVar

import msgspec

from service.context import Context
from service.domain.customers import OrgId
from service.errors import Forbidden, NotFound, Refused, TaggerError
from service.sentence import Sentence
from service.store import tasks
from service.store.client import keys
from service.store.tasks import PageTask

P = ParamSpec("P")
T = TypeVar("T")
REPORT_INTERVAL_S: Final = 0.5
ERRORS: Final[dict[str, type[TaggerError]]] = {
    "Forbidden": Forbidden,
    "NotFound": NotFound,
    "Refused": Refused,
}


async def execute(
    context: Context,
    org: OrgId,
    name: str,
    function: Callable[Concatenate[Context, OrgId, P], Awaitable[Any]],
    *args: P.args,
    **kwargs: P.kwargs,
) -> None:
    """Call the function, which reads all customers of a shop, and store how far it is and how it ended."""
    redis = context.redis
    total = int(await redis.hlen(keys.shop(org, "snapshots")))
    task = PageTask(started_ms=await context.now_ms(), total=total)
    await tasks.save(redis, org, name, task)
    reported_s = time.monotonic()

    async def report(read: int) -> None:
        nonlocal reported_s
        if time.monotonic() - reported_s >= REPORT_INTERVAL_S:
            reported_s = time.monotonic()
            await tasks.save(redis, org, name, msgspec.structs.replace(task, done=min(read, total)))

    try:
        result = await function(replace(context, on_read=report), org, *args, **kwargs)
    except Exception as exc:
        failed = msgspec.structs.replace(
            task,
            status="failed",
            ended_ms=await context.now_ms(),
            error=_name(exc),
            **_message(exc),
        )
        await tasks.save(redis, org, name, failed)
        if failed.error not in ERRORS:
            raise
        return
    done = msgspec.structs.replace(
        task,
        status="done",
        ended_ms=await context.now_ms(),
        done=total,
        result=msgspec.Raw(msgspec.json.encode(result)),
    )
    await tasks.save(redis, org, name, done)


def _message(exc: Exception) -> dict[str, Any]:
    """The sentence of an error as plain data, so that its reader gets it in the language of the page."""
    message = exc.message if isinstance(exc, TaggerError) else ""
    if not isinstance(message, Sentence):
        return {"text": message}
    return {
        "template": message.template,
        "params": {name: str(each) for name, each in message.params.items()},
    }


def _name(exc: Exception) -> str:
    return next((kind.__name__ for kind in ERRORS.values() if isinstance(exc, kind)), type(exc).__name__)


def result_of(task: PageTask, kind: type[T]) -> T:
    """The result of a task that has ended. Raises the error that ended it."""
    if task.status == "failed":
        error = ERRORS.get(task.error)
        message = Sentence(task.template, **task.params) if task.template else task.text
        raise error(message) if error is not None else RuntimeError(f"{task.error}: {message}")
    return msgspec.json.decode(task.result, type=kind)
