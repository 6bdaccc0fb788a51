"""Process pool for CPU work: parsing rules, previews, evaluations of all customers of a shop.

The event loops of this service acknowledge webhooks and drain shops, so CPU work runs in other processes. A thread is
not enough: it shares the interpreter lock, and each acknowledgement would wait about 5 ms for it.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import pickle
import signal
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Concatenate, Final, ParamSpec, Protocol, TypeVar

import structlog
from redis.exceptions import RedisError

from service.context import Context
from service.errors import EvaluationDied, Overloaded
from service.runtime import configure_logging
from service.sentence import Sentence
from service.settings import Settings
from service.store.client import connect
from service.store.encryption import KeyRing
from service.store.move import follow
from service.store.rules import Versions
from service.store.shops import ShopRepository

P = ParamSpec("P")
T = TypeVar("T")

MAX_PROCESSES: Final = 2
MAX_CALLS: Final = 16  # running and waiting
IDLE_S: Final = 60.0
STOP_TIMEOUT_S: Final = 5.0
NICE: Final = 19  # webhooks and drains come first


class CpuRunner(Protocol):
    """Runs CPU work: in other processes (CpuPool), or in this one (InProcess)."""

    async def run(
        self, function: Callable[Concatenate[Context, P], Awaitable[T]], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Call `function` with a Context and these arguments. Raises its exceptions, and Overloaded."""
        ...


@dataclass(frozen=True, slots=True)
class InProcess:
    """Runs the work in this process: for processes that serve no requests, and for simulated clocks."""

    context: Context

    async def run(
        self, function: Callable[Concatenate[Context, P], Awaitable[T]], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Call `function` with this process's own Context."""
        return await function(self.context, *args, **kwargs)


class CpuPool:
    """Starts its processes at the first call, and ends them after a minute without calls.

    Functions, arguments, results and exceptions are pickled: functions must be importable by name.
    """

    def __init__(self, settings: Settings, *, processes: int = MAX_PROCESSES, idle_s: float = IDLE_S) -> None:
        # pickled through a pipe, because arguments of a process are visible to others; it needs no tokens
        self._settings = replace(
            settings,
            ops_tokens={},
            access_token="",
            verify_token="",
            metrics_token="",
            otlp_endpoint="",
            sentry_dsn="",
        )
        self._processes = processes
        self._idle_s = idle_s
        self._calls = 0
        self._stopped = False
        self._executor: ProcessPoolExecutor | None = None
        self._idle_timer: asyncio.TimerHandle | None = None

    async def run(
        self, function: Callable[Concatenate[Context, P], Awaitable[T]], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Call `function` in another process, with the Context of that process.

        Raises the function's exceptions, or Overloaded if too many calls wait or the process died.
        """
        if self._stopped or self._calls >= MAX_CALLS:
            raise Overloaded(Sentence("too many evaluations are running"))
        self._cancel_idle_timer()
        self._calls += 1
        executor = self._start()
        try:
            bound = structlog.contextvars.get_contextvars()
            result: T = await asyncio.get_running_loop().run_in_executor(
                executor, _call, function, args, kwargs, bound
            )
        except BrokenProcessPool as exc:
            self._end(executor)
            raise EvaluationDied(Sentence("the process that evaluates rules has ended")) from exc
        else:
            return result
        finally:
            self._calls -= 1
            if not self._calls and self._executor is not None:
                self._idle_timer = asyncio.get_running_loop().call_later(
                    self._idle_s, self._end, self._executor
                )

    async def stop(self) -> None:
        """End the processes for good. A running call gets a few seconds to finish."""
        self._stopped = True
        self._cancel_idle_timer()
        executor, self._executor = self._executor, None
        if executor is None:
            return
        ended = asyncio.create_task(asyncio.to_thread(executor.shutdown))
        done, _ = await asyncio.wait({ended}, timeout=STOP_TIMEOUT_S)
        if not done:
            for child in multiprocessing.active_children():
                child.kill()
        await ended

    def _start(self) -> ProcessPoolExecutor:
        if self._executor is None:
            self._executor = ProcessPoolExecutor(
                self._processes,
                mp_context=multiprocessing.get_context("spawn"),  # a fork would copy connections and locks
                initializer=_initialize,
                initargs=(self._settings,),
            )
        return self._executor

    def _end(self, executor: ProcessPoolExecutor) -> None:
        executor.shutdown(wait=False)
        if self._executor is executor:
            self._executor = None

    def _cancel_idle_timer(self) -> None:
        if self._idle_timer is not None:
            self._idle_timer.cancel()
            self._idle_timer = None


@dataclass(slots=True)
class _Process:
    """State of a process of the pool: one event loop for all calls, and the Redis client that is bound to it."""

    runner: asyncio.Runner | None = None
    context: Context | None = None


_process: Final = _Process()


def _initialize(settings: Settings) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes; the parent ends this one
    os.nice(NICE)
    threading.Thread(target=_exit_with_parent, daemon=True).start()
    configure_logging(settings.log_format)
    _process.runner = asyncio.Runner()
    _process.context = _process.runner.run(_open(settings))


async def _open(settings: Settings) -> Context:
    redis = connect(settings.redis_url, queue_url=settings.queue_url)
    shops = ShopRepository(redis, KeyRing(settings.secret_keys))
    return Context(redis, shops, Versions(redis), settings=settings)


def _exit_with_parent() -> None:
    """End this process with its parent. A killed parent cannot end it, and it would wait for a call for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _call(function: Callable[..., Awaitable[T]], args: Any, kwargs: Any, bound: dict[str, Any]) -> T:
    async def call(context: Context) -> T:
        with structlog.contextvars.bound_contextvars(**bound):
            with suppress(RedisError, OSError):  # not every function needs the store
                await follow(context.redis, context.shops.keyring, wait_s=0)
            return await function(context, *args, **kwargs)

    assert _process.runner is not None and _process.context is not None  # noqa: S101, PT018  # _initialize ran
    try:
        return _process.runner.run(call(_process.context))
    except Exception as exc:
        _require_picklable(exc)
        raise


def _require_picklable(exc: Exception) -> None:
    """Raise RuntimeError for an exception that cannot be unpickled, because it would break the whole pool."""
    try:
        pickle.loads(pickle.dumps(exc))  # noqa: S301  # bytes of this process
    except Exception:  # noqa: BLE001  # an exception's __init__ may raise anything
        raise RuntimeError(f"{type(exc).__name__}: {exc}") from exc
