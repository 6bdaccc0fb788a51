"""structlog, set up once a process: one line for each unit of work, secrets and personal data never in it."""

from __future__ import annotations

import logging
import sys
from collections.abc import MutableMapping
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


def set_up_logging(log_format: LogFormat) -> None:
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


def without_forbidden(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Blank every field whose name says that it must not be logged."""
    for name in FORBIDDEN & event.keys():
        event[name] = "[not logged]"
    return event
