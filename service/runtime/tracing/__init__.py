"""Traces by OpenTelemetry, and the start of everything that is sent to other observers.

OpenTelemetry is imported only when it is on."""

from service.runtime.tracing.spans import (
    Span,
    add_trace_id,
    configure_tracing,
    current_traceparent,
    is_tracing,
    span,
    telemetry,
    use_provider,
)

__all__ = [
    "Span",
    "add_trace_id",
    "configure_tracing",
    "current_traceparent",
    "is_tracing",
    "span",
    "telemetry",
    "use_provider",
]
