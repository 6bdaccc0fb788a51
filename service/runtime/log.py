"""Logging: structlog, configured once per process. Secrets and personal data are never logged."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, MutableMapping
from typing import Any, Final, Literal

import structlog

LogFormat = Literal["json", "console"]


# A field with one of these names is a bug. The line is still logged, without the value.
REDACTED_FIELDS: Final = frozenset(
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
RATE_LIMIT_INTERVAL_S: Final = 60.0


class RateLimitFilter(logging.Filter):
    """Passes each warning at most once a minute, because anyone can cause some of them without limit."""

    def __init__(self, clock: Callable[[], float]) -> None:
        super().__init__()
        self._clock = clock
        self._last_logged: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether to log the record."""
        now, text = self._clock(), str(record.msg)
        if (
            record.levelno > logging.WARNING
            or now - self._last_logged.get(text, float("-inf")) >= RATE_LIMIT_INTERVAL_S
        ):
            self._last_logged[text] = now
            return True
        return False


def configure_logging(log_format: LogFormat, *, clock: Callable[[], float] = time.monotonic) -> None:
    """Send structlog and the libraries' loggers to stderr, as JSON lines or coloured text."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="timestamp"),
        redact_fields,
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
    logging.getLogger("uvicorn.error").filters[:] = [RateLimitFilter(clock)]  # it logs every invalid request


def redact_fields(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Blank the value of every field in REDACTED_FIELDS."""
    for name in REDACTED_FIELDS & event.keys():
        event[name] = "[not logged]"
    return event
