"""Errors reach Sentry without anything that the log does not have."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import sentry_sdk
import structlog
from sentry_sdk.envelope import Envelope
from sentry_sdk.transport import Transport

from service.errors import InvalidSettings
from service.runtime.log import configure_logging
from service.runtime.sentry import configure_sentry

DSN = "https://key@sentry.example.com/1"
PHONE = "0900000001"


class Received(Transport):
    """Keeps the events that would be sent."""

    def __init__(self) -> None:
        super().__init__()
        self.events: list[dict[str, Any]] = []

    def capture_envelope(self, envelope: Envelope) -> None:
        """Keep the event."""
        event = envelope.get_event()
        if event is not None:
            self.events.append(dict(event))


@pytest.fixture
def received(_logging: None) -> Iterator[Received]:
    configure_logging("json")
    transport = Received()
    stop = configure_sentry(DSN, "worker", version="1.2.3", transport=transport)
    yield transport
    stop()
    sentry_sdk.get_global_scope().set_client(None)


def test_a_line_of_the_level_error_is_an_event(received: Received) -> None:
    structlog.get_logger().info("drain", outcome="done")
    structlog.get_logger().warning("drain", outcome="failed")
    structlog.get_logger().error(
        "drain", org="1", outcome="error", cause="KeyError at reader.py:7", token="t0ken"
    )

    (event,) = received.events
    assert (event["message"], event["level"], event["release"]) == ("drain error", "error", "1.2.3")
    assert event["fingerprint"] == ["drain", "error", "KeyError at reader.py:7"]
    assert event["tags"] == {"process": "worker", "event": "drain"}
    assert event["contexts"]["log"]["org"] == "1"
    assert "t0ken" not in json.dumps(event)


def test_an_exception_has_its_place_and_neither_its_text_nor_variables(received: Received) -> None:
    phone = PHONE
    try:
        raise ValueError(f"no customer has {phone}")
    except ValueError:
        structlog.get_logger().exception("shop_cache_error")

    (event,) = received.events
    (raised,) = event["exception"]["values"]
    assert (raised["type"], raised["value"]) == ("ValueError", "")
    assert raised["stacktrace"]["frames"][-1]["function"] == (
        "test_an_exception_has_its_place_and_neither_its_text_nor_variables"
    )
    assert PHONE not in json.dumps(event)


def test_an_error_of_a_library_is_an_event_too(received: Received) -> None:
    logging.getLogger("arq").error("the queue is broken")

    assert [event["message"] for event in received.events] == ["the queue is broken"]


def test_without_the_package_the_start_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sentry_sdk", None)

    with pytest.raises(InvalidSettings, match="sentry-sdk is not installed"):
        configure_sentry(DSN, "web", version="1")


def test_a_wrong_dsn_stops_the_start() -> None:
    with pytest.raises(InvalidSettings, match="SENTRY_DSN"):
        configure_sentry("https://sentry.example.com", "web", version="1")
