"""Spans: what they have, what they leave out, and that they are nothing while traces are off."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator

import pytest
import structlog
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import SpanKind, StatusCode

from service.errors import InvalidSettings
from service.runtime.log import configure_logging
from service.runtime.tracing import (
    configure_tracing,
    current_traceparent,
    is_tracing,
    span,
    use_provider,
)

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
TRACE_ID = "0af7651916cd43dd8448eb211c80319c"


@pytest.fixture
def exporter() -> Iterator[InMemorySpanExporter]:
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    stop = use_provider(provider)
    yield exporter
    stop()


def only(exporter: InMemorySpanExporter) -> ReadableSpan:
    (finished,) = exporter.get_finished_spans()
    return finished


def test_without_a_provider_a_span_is_nothing() -> None:
    with span("drain", {"tagger.org": "1"}, links=[PARENT]) as current:
        current.set_attribute("tagger.outcome", "done")
        current.update_name("else")

        assert current_traceparent() == ""
    assert not is_tracing()


def test_a_span_has_its_kind_attributes_parent_and_links(exporter: InMemorySpanExporter) -> None:
    with span(
        "GET", {"tagger.org": "1"}, kind="server", parent=PARENT, links=[PARENT, "no header"]
    ) as current:
        current.set_attribute("http.response.status_code", 200)
        current.update_name("GET /shops")
        inside = current_traceparent()

    finished = only(exporter)
    assert (finished.name, finished.kind) == ("GET /shops", SpanKind.SERVER)
    assert dict(finished.attributes or {}) == {"tagger.org": "1", "http.response.status_code": 200}
    assert finished.parent is not None
    assert f"{finished.parent.trace_id:032x}" == TRACE_ID
    assert [f"{link.context.trace_id:032x}" for link in finished.links] == [TRACE_ID]
    assert inside.startswith(f"00-{TRACE_ID}-")


def test_an_exception_leaves_its_type_and_not_its_text(exporter: InMemorySpanExporter) -> None:
    with pytest.raises(ValueError, match="0900000001"), span("drain"):
        raise ValueError("0900000001")

    finished = only(exporter)
    assert finished.status.status_code is StatusCode.ERROR
    assert dict(finished.attributes or {}) == {"error.type": "ValueError"}
    assert "0900000001" not in finished.to_json()


def test_a_span_that_is_not_sampled_is_not_referred_to() -> None:
    stop = use_provider(TracerProvider(sampler=ALWAYS_OFF))
    try:
        with span("drain"):
            assert current_traceparent() == ""
    finally:
        stop()


@pytest.mark.usefixtures("_logging")
def test_a_log_line_inside_of_a_span_has_its_ids(
    exporter: InMemorySpanExporter, capsys: pytest.CaptureFixture[str]
) -> None:
    configure_logging("json")

    with span("drain", parent=PARENT):
        structlog.get_logger().info("drain")
    structlog.get_logger().info("worker")

    inside, outside = map(json.loads, capsys.readouterr().err.splitlines())
    assert inside["trace_id"] == TRACE_ID
    assert len(inside["span_id"]) == 16
    assert "trace_id" not in outside


def test_without_the_package_the_start_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "service.runtime.tracing.otlp", raising=False)
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)

    with pytest.raises(InvalidSettings, match="OpenTelemetry is not installed"):
        configure_tracing("web", endpoint="http://127.0.0.1:9", version="1")
