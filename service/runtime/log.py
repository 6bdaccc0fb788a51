"""Logging: structlog, configured once per process. Secrets and personal data are never logged."""

from __future__ import annotations

import logging
import sys
import time
import traceback
import unicodedata
from collections.abc import Callable, Mapping, MutableMapping
from typing import Any, Final, Literal

import structlog

from service.runtime.sentry import send_errors
from service.runtime.tracing import add_trace_id

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
MAX_FRAMES: Final = 3
# Control characters, invisible format characters (which also turn the direction of a line), surrogates, line separators
_DROPPED_CATEGORIES: Final = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})


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
        add_trace_id,
        send_errors,
    ]
    ending: list[structlog.typing.Processor] = (
        [structlog.processors.JSONRenderer(ensure_ascii=False)]
        if log_format == "json"
        else [structlog.dev.ConsoleRenderer(event_key="event", colors=sys.stderr.isatty())]
    )
    ending = [structlog.processors.format_exc_info, drop_control_characters, *ending]
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


def drop_control_characters(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Clean every text of the line: an escape sequence from outside must not reach a terminal or forge a line.

    Only a traceback keeps its line breaks, and its lines are indented.
    """
    for name, value in event.items():
        if name in ("exception", "stack") and isinstance(value, str):
            lines = value.splitlines()
            event[name] = "\n  ".join(map(without_control_characters, lines))
        else:
            event[name] = _clean(value)
    return event


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return without_control_characters(value)
    if isinstance(value, Mapping):
        return {_clean(name): _clean(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_clean(item) for item in value]
    return value


def without_control_characters(text: str) -> str:
    """The text without control and invisible format characters. Line breaks and tabs become a space."""
    if text.isprintable():
        return text
    pieces: list[str] = []
    for character in text:
        if unicodedata.category(character) not in _DROPPED_CATEGORIES:
            pieces.append(character)
        elif character.isspace() and (not pieces or pieces[-1] != " "):
            pieces.append(" ")
    return "".join(pieces)


def last_frames(exc: BaseException) -> str:
    """Where an exception was raised: its last frames without any values, which may be personal data."""
    frames = traceback.extract_tb(exc.__traceback__)[-MAX_FRAMES:]
    return f"{type(exc).__name__} at " + " < ".join(
        f"{frame.filename.rpartition('/')[2]}:{frame.lineno}" for frame in reversed(frames)
    )
