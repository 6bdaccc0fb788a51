"""From a webhook one finds the drain that answered it, and the requests that this made."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from arq.connections import ArqRedis
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind

from service.domain.customers import CustomerId
from service.runtime import use_provider
from service.store.history import deliveries
from tests.support.shop import ORG
from tests.system.environment import running

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def exporter() -> Iterator[InMemorySpanExporter]:
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    stop = use_provider(provider)
    yield exporter
    stop()


def named(exporter: InMemorySpanExporter, name: str) -> list[ReadableSpan]:
    return [each for each in exporter.get_finished_spans() if each.name == name]


async def test_the_drain_links_to_the_deliveries_that_it_answers(
    redis: ArqRedis, redis_url: str, queue_url: str, exporter: InMemorySpanExporter
) -> None:
    async with running(redis, redis_url, queue_url) as system:
        customer = system.haravan.create(total_spent=12_000_000, email="anh@example.com")
        await system.settled()
        stored = await deliveries.list_for_customer(redis, ORG, CustomerId(customer))
        assert system.haravan.tags(customer) == {"VIP", "Bạc"}

    webhooks = named(exporter, "POST /webhooks/haravan")
    assert webhooks[0].kind is SpanKind.SERVER
    assert dict(webhooks[0].attributes or {})["http.response.status_code"] == 200
    first = stored[-1].traceparent
    assert first.rpartition("-")[0] in {f"00-{_trace(each)}-{_id(each)}" for each in webhooks}

    def answers(batch: ReadableSpan) -> bool:
        return first.split("-")[1] in {f"{link.context.trace_id:032x}" for link in batch.links}

    reads = [batch for batch in named(exporter, "drain.read") if answers(batch)]
    writes = [batch for batch in named(exporter, "drain.write") if answers(batch)]
    drains = {_id(each): each for each in named(exporter, "drain")}
    assert reads
    assert writes
    for batch in (*reads, *writes):
        assert batch.parent is not None
        assert f"{batch.parent.span_id:016x}" in drains
    posts = named(exporter, "POST tags")
    assert {f"{post.parent.span_id:016x}" for post in posts if post.parent} == {_id(each) for each in writes}
    assert dict(posts[0].attributes or {})["http.response.status_code"] == 200
    assert not any(
        word in each.to_json() for each in exporter.get_finished_spans() for word in ("anh@", str(customer))
    )


def _trace(each: ReadableSpan) -> str:
    assert each.context is not None
    return f"{each.context.trace_id:032x}"


def _id(each: ReadableSpan) -> str:
    assert each.context is not None
    return f"{each.context.span_id:016x}"
