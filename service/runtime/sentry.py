"""Errors to Sentry, which is an optional extra: every log line of the level error.

What Sentry gets is what the log has, without the text of exceptions: it may quote a record.
"""

from __future__ import annotations

from collections.abc import Callable, MutableMapping
from typing import Any, Final

from service.errors import InvalidSettings
from service.sentence import Sentence

LEVELS: Final = frozenset({"error", "critical", "exception"})
STOP_TIMEOUT_S: Final = 2.0
# What the SDK may add to an event beside what we give it.
REMOVED: Final = ("request", "user", "breadcrumbs", "modules", "server_name", "extra")

_capture: Callable[[MutableMapping[str, Any]], None] | None = None


def send_errors(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Send a log line to Sentry if it is an error: a processor of structlog, after the redaction."""
    if _capture is not None and event.get("level") in LEVELS:
        _capture(event)
    return event


def configure_sentry(dsn: str, process: str, *, version: str, transport: Any = None) -> Callable[[], None]:
    """Send the errors of this process to Sentry. Returns the function that sends the last ones and stops.

    Raises InvalidSettings if the SDK is not installed, or if the DSN is none.
    """
    global _capture  # noqa: PLW0603  # one for each process, as loggers are
    try:
        import sentry_sdk
        from sentry_sdk.utils import BadDsn
    except ImportError:
        raise InvalidSettings(
            Sentence("SENTRY_DSN is set, and sentry-sdk is not installed: see deploy/docs/traces.md")
        ) from None
    try:
        sentry_sdk.init(
            dsn,
            release=version,
            default_integrations=False,  # they read requests, arguments and environment
            auto_enabling_integrations=False,
            include_local_variables=False,
            max_breadcrumbs=0,
            before_send=mask_event,
            transport=transport,
        )
    except BadDsn:
        raise InvalidSettings(Sentence("SENTRY_DSN: not an address of a Sentry project")) from None

    def capture(line: MutableMapping[str, Any]) -> None:
        facts = {name: value for name, value in line.items() if name not in ("exc_info", "level")}
        name, outcome = str(line.get("event", "")), str(line.get("outcome", ""))
        with sentry_sdk.new_scope() as scope:
            scope.set_tag("process", process)
            scope.set_tag("event", name)
            scope.set_context("log", facts)
            exc = line.get("exc_info")
            if exc:
                sentry_sdk.capture_exception(exc if isinstance(exc, BaseException) else None)
            else:
                scope.fingerprint = [name, outcome, str(line.get("cause", ""))]
                text = " ".join(filter(None, (name, outcome)))
                sentry_sdk.capture_event({"message": text, "level": "error"})

    def stop() -> None:
        global _capture  # noqa: PLW0603
        _capture = None
        sentry_sdk.get_client().close(timeout=STOP_TIMEOUT_S)

    _capture = capture
    return stop


def mask_event(event: Any, _: Any) -> Any:
    """Remove what may be personal data or a secret: texts of exceptions, variables, requests, users."""
    for name in REMOVED:
        event.pop(name, None)
    for raised in event.get("exception", {}).get("values", ()):
        raised["value"] = ""
        for frame in raised.get("stacktrace", {}).get("frames", ()):
            frame.pop("vars", None)
    return event
