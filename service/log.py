"""structlog, set up once a process: one line for each unit of work, secrets and personal data never in it."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, MutableMapping
from typing import Any, Final

import structlog

from service.settings import LogFormat

# A field of one of these names is a mistake somewhere; the line still goes out, without the value.
FORBIDDEN: Final = frozenset(
    {
        "token",
        "access_token",
        "secret",
        "authorization",
        "email",
        "phone",
        "body",
        "payload",
        "password",
        "cookie",
    }
)


RESTS_S: Final = 60.0


class Resting(logging.Filter):
    """Of each warning one line a minute: what anybody may cause as often as he likes must not fill the log."""

    def __init__(self, clock: Callable[[], float]) -> None:
        super().__init__()
        self._clock = clock
        self._told: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the line goes out."""
        now, text = self._clock(), str(record.msg)
        if record.levelno > logging.WARNING or now - self._told.get(text, float("-inf")) >= RESTS_S:
            self._told[text] = now
            return True
        return False


def set_up_logging(log_format: LogFormat, *, clock: Callable[[], float] = time.monotonic) -> None:
    """Send structlog and the libraries' own loggers to stderr as JSON lines, or coloured for a person."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
        without_forbidden,
    ]
    ending: list[structlog.typing.Processor] = (
        [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(ensure_ascii=False)]
        if log_format == "json"
        else [structlog.dev.ConsoleRenderer(event_key="event", colors=sys.stderr.isatty())]
    )
    structlog.configure(
        processors=[*shared, *ending],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,  # cached loggers would make what a test captures depend on its order
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *ending,
            ],
        )
    )
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    logging.getLogger("uvicorn.error").filters[:] = [Resting(clock)]  # it warns of all that is no HTTP


def without_forbidden(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Blank every field whose name says that it must not be logged."""
    for name in FORBIDDEN & event.keys():
        event[name] = "[not logged]"
    return event
