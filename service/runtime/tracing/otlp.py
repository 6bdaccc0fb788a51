"""Sends spans to an OpenTelemetry collector. Imported only if traces are on: it needs the extra `otel`."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from typing import Final

import structlog
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

EXPORT_TIMEOUT_S: Final = 2.0  # with all retries: a stopping process waits for two of them at most
REPORT_INTERVAL_S: Final = 60.0


def make_provider(process: str, *, endpoint: str, version: str) -> TracerProvider:
    """A provider that sends spans in batches, from a thread of its own. Spans that cannot be sent are dropped."""
    logging.getLogger("opentelemetry").setLevel(
        logging.CRITICAL
    )  # several lines for each batch that is not sent
    resource = Resource.create({"service.name": f"haravan-tagger-{process}", "service.version": version})
    provider = TracerProvider(resource=resource)
    exporter = OTLPSpanExporter(f"{endpoint.rstrip('/')}/v1/traces", timeout=EXPORT_TIMEOUT_S)
    provider.add_span_processor(BatchSpanProcessor(ReportingExporter(exporter)))
    return provider


class ReportingExporter(SpanExporter):
    """Logs one line a minute while spans cannot be sent."""

    def __init__(self, exporter: SpanExporter, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._exporter = exporter
        self._clock = clock
        self._lost = 0  # spans since the last line
        self._reported_s = float("-inf")

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send the spans."""
        result = self._exporter.export(spans)
        if result is not SpanExportResult.SUCCESS:
            self._lost += len(spans)
            if self._clock() - self._reported_s >= REPORT_INTERVAL_S:
                structlog.get_logger().warning("traces", outcome="not_sent", spans=self._lost)
                self._lost, self._reported_s = 0, self._clock()
        return result

    def shutdown(self) -> None:
        """Stop sending."""
        self._exporter.shutdown()
