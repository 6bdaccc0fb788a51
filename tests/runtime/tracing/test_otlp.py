"""Spans reach a collector; if it is away, one line a minute says so."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from structlog.testing import capture_logs

from service.runtime.files import program_version
from service.runtime.tracing import is_tracing, span, telemetry
from service.runtime.tracing.otlp import ReportingExporter


class Collector(HTTPServer):
    """Keeps what it receives."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.received: list[tuple[str, ExportTraceServiceRequest]] = []


class _Handler(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            import gzip

            body = gzip.decompress(body)
        self.server.received.append((self.path, ExportTraceServiceRequest.FromString(body)))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Print nothing."""


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


class Away(SpanExporter):
    """A collector that is away."""

    def export(self, _: Sequence[ReadableSpan]) -> SpanExportResult:
        return SpanExportResult.FAILURE


def test_the_last_spans_are_sent_before_the_process_ends(collector: Collector) -> None:
    address = f"http://127.0.0.1:{collector.server_port}/"
    with telemetry("worker", otlp_endpoint=address, sentry_dsn=""):
        with span("drain", {"tagger.org": "1"}):
            pass
        assert is_tracing()

    assert not is_tracing()
    ((path, request),) = collector.received
    (sent,) = request.resource_spans
    facts = {each.key: each.value.string_value for each in sent.resource.attributes}
    assert path == "/v1/traces"
    assert (facts["service.name"], facts["service.version"]) == ("haravan-tagger-worker", program_version())
    assert [each.name for each in sent.scope_spans[0].spans] == ["drain"]


def test_a_collector_that_is_away_is_one_line_a_minute() -> None:
    moments = iter([0.0, 0.0, 1.0, 61.0, 61.0])
    exporter = ReportingExporter(Away(), clock=lambda: next(moments))

    with capture_logs() as lines:
        for _ in range(3):
            exporter.export([ReadableSpan("drain")])

    assert [(line["event"], line["outcome"], line["spans"]) for line in lines] == [
        ("traces", "not_sent", 1),
        ("traces", "not_sent", 2),
    ]
