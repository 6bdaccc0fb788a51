"""Traces by OpenTelemetry, which is an optional extra.

Nothing is traced before `configure_tracing`: until then a span does nothing, and OpenTelemetry is not imported. A span has
no personal data: no address with ids, no text of an exception.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from typing import Any, Final, Literal, Protocol

from service.errors import InvalidSettings
from service.runtime.files import program_version
from service.runtime.sentry import configure_sentry
from service.sentence import Sentence

SpanKind = Literal["internal", "server", "client", "consumer"]
Attribute = str | int | bool

MAX_LINKS: Final = 128  # OpenTelemetry's own limit for a span


class Span(Protocol):
    """An open span."""

    def set_attribute(self, key: str, value: Attribute) -> None:
        """Add a fact to the span."""

    def update_name(self, name: str) -> None:
        """Rename the span."""


class _NoSpan:
    def set_attribute(self, key: str, value: Attribute) -> None:
        pass

    def update_name(self, name: str) -> None:
        pass


_NO_SPAN: Final[AbstractContextManager[Span]] = nullcontext(_NoSpan())
_tracer: Any = None  # OpenTelemetry's tracer, once tracing is configured


def is_tracing() -> bool:
    """Whether `configure_tracing` was called."""
    return _tracer is not None


def span(
    name: str,
    attributes: Mapping[str, Attribute] | None = None,
    *,
    kind: SpanKind = "internal",
    parent: str = "",
    links: Sequence[str] = (),
) -> AbstractContextManager[Span]:
    """A span around a block. `parent` and `links` are values of the header `traceparent`; unreadable ones are ignored."""
    return _NO_SPAN if _tracer is None else _open_span(name, attributes, kind, parent, links)


@contextmanager
def _open_span(
    name: str,
    attributes: Mapping[str, Attribute] | None,
    kind: SpanKind,
    parent: str,
    links: Sequence[str],
) -> Iterator[Span]:
    from opentelemetry import trace

    opened = _tracer.start_as_current_span(
        name,
        context=_context_of(parent) if parent else None,
        kind=trace.SpanKind[kind.upper()],
        links=_links(links),
        attributes=attributes,
        # Both would store the text of an exception, which may quote a record.
        record_exception=False,
        set_status_on_exception=False,
    )
    with opened as current:
        try:
            yield current
        except BaseException as exc:
            current.set_attribute("error.type", type(exc).__name__)
            current.set_status(trace.StatusCode.ERROR)
            raise


def current_traceparent() -> str:
    """The header `traceparent` that refers to the current span; empty if there is none, or it is not sampled."""
    if _tracer is None:
        return ""
    from opentelemetry import trace
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    if not trace.get_current_span().get_span_context().trace_flags.sampled:
        return ""
    carrier: dict[str, str] = {}
    TraceContextTextMapPropagator().inject(carrier)
    return carrier.get("traceparent", "")


def add_trace_id(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Add the ids of the current span to a log line: a processor of structlog."""
    if _tracer is None:
        return event
    from opentelemetry import trace

    current = trace.get_current_span().get_span_context()
    if current.is_valid:
        event["trace_id"] = trace.format_trace_id(current.trace_id)
        event["span_id"] = trace.format_span_id(current.span_id)
    return event


def configure_tracing(process: str, *, endpoint: str, version: str) -> Callable[[], None]:
    """Send the spans of this process to a collector (OTLP over HTTP). Returns the function that sends the last ones and stops.

    OTEL_TRACES_SAMPLER and the other variables of OpenTelemetry apply. Raises InvalidSettings if it is not installed.
    """
    try:
        from service.runtime.tracing.otlp import make_provider
    except ImportError:
        raise InvalidSettings(
            Sentence(
                "OTEL_EXPORTER_OTLP_ENDPOINT is set, and OpenTelemetry is not installed: see deploy/docs/traces.md"
            )
        ) from None
    return use_provider(make_provider(process, endpoint=endpoint, version=version))


@contextmanager
def telemetry(process: str, *, otlp_endpoint: str, sentry_dsn: str) -> Iterator[None]:
    """Send traces and errors of this process during the block, as far as there are addresses. Raises InvalidSettings.

    `process` is `web` or `worker`.
    """
    with ExitStack() as stack:
        version = program_version()
        if sentry_dsn:
            stack.callback(configure_sentry(sentry_dsn, process, version=version))
        if otlp_endpoint:
            stack.callback(configure_tracing(process, endpoint=otlp_endpoint, version=version))
        yield


def use_provider(provider: Any) -> Callable[[], None]:
    """Trace with this TracerProvider of OpenTelemetry. Returns the function that ends it."""
    global _tracer  # noqa: PLW0603  # one for each process, as loggers are
    _tracer = provider.get_tracer("haravan-tagger")

    def stop() -> None:
        global _tracer  # noqa: PLW0603
        _tracer = None
        provider.shutdown()

    return stop


def _context_of(traceparent: str) -> Any:
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    return TraceContextTextMapPropagator().extract({"traceparent": traceparent})


def _links(traceparents: Sequence[str]) -> list[Any]:
    from opentelemetry import trace

    contexts = [
        trace.get_current_span(_context_of(text)).get_span_context() for text in traceparents[:MAX_LINKS]
    ]
    return [trace.Link(context) for context in contexts if context.is_valid]
