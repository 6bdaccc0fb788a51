"""The webhook endpoint over real sockets: no bytes give a 500, and every signed webhook is acknowledged."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.wire import Wire
from tests.support.sender import signature
from tests.support.shop import ORG

pytestmark = pytest.mark.timeout(900)
SEEDS: Final = Path(__file__).parents[1] / "payloads/seeds"
COMPLETE: Final = json.loads((SEEDS / "admin-get.json").read_text(encoding="utf-8"))
TOPICS: Final = ["customers/update", "customers/create", "customers/delete", "orders/paid", "refunds/create", "app/uninstalled", "shop/update", ""]  # fmt: skip


def times(number: int) -> settings:
    """This many examples."""
    return settings(max_examples=number, deadline=None, suppress_health_check=list(HealthCheck))


def is_utf8(body: bytes) -> bool:
    """Whether the bytes are a text in the encoding of JSON."""
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True


def customer_of(body: Any) -> dict[str, Any]:
    """The customer in a body, with or without an envelope."""
    customer: dict[str, Any] = body.get("customer", body)
    return customer


WORDS: Final = st.text(max_size=20) | st.sampled_from(
    ["", " ", "\ud800", "ế", "e\u0302\u0301", "0" * 400, "-0", "1e5"]
)
NUMBERS: Final = st.integers() | st.integers(-(10**400), 10**400) | st.floats()
JSON: Final = st.recursive(
    st.none() | st.booleans() | NUMBERS | WORDS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORDS, inner, max_size=4),
    max_leaves=12,
)
FIELDS: Final = sorted(customer_of(COMPLETE))
CUSTOMERS: Final = st.dictionaries(st.sampled_from(FIELDS), JSON, max_size=6).map(
    lambda odd: customer_of(COMPLETE) | odd
)
SHAPES: Final = JSON | CUSTOMERS | CUSTOMERS.map(lambda customer: {"customer": customer}) | JSON.map(lambda number: {"customer": {"id": number}})  # fmt: skip
ODD: Final = st.sampled_from(
    [
        b"",
        b"\xef\xbb\xbf{}",
        b"[" * 100_000,
        b'{"a":' * 20_000,
        b'{"customer":' * 900 + b"7" + b"}" * 900,
        b'{"id": 1e999999}',
        b'{"id": 7, "total_spent": 1e99999999999999999999}',
        b'{"id": ' + b"9" * 5_000 + b"}",
        b'{"id": 7, "total_spent": -1e-400}',
        b'{"id": 7, "id": 8}',
        b'{"id": 7}\x00',
        b'{"id": "\\ud800"}',
        b'{"id": NaN}',
        '{"id": 7, "first_name": "Ánh"}'.encode("utf-16"),
        '{"id": 7, "first_name": "Ánh"}'.encode("latin-1"),
        b'{"id": 7, "created_at": "9999-99-99T99:99:99Z"}',
        b'{"id": 7, "updated_at": "0000-01-01T00:00:00+99:99"}',
        b" " * 300_000 + b'{"id": 7}',
    ]
)
BODIES: Final = st.binary(max_size=200) | ODD | SHAPES.map(lambda shape: json.dumps(shape).encode())
LINE: Final = st.binary(max_size=60).map(
    lambda raw: bytes(byte for byte in raw if byte >= 32 and byte != 127)
)
NAMES: Final = st.sampled_from([b"X-Haravan-Topic", b"X-Haravan-Org-Id", b"X-Haravan-HmacSha256", b"X-Haravan-Hmac-Sha256", b"X-Haravan-Test", b"Haravan-Shop-Domain", b"Content-Type", b"X-Request-Id", b"Cookie"])  # fmt: skip
MORE: Final = st.lists(st.tuples(NAMES, LINE), max_size=4)
ORGS: Final = st.sampled_from([ORG, ORG, "999", "0", "9" * 19, "9" * 20, "-1", "abc"])


@pytest.fixture
def wire(port: int) -> Iterator[Wire]:
    wire = Wire(port)
    yield wire
    wire.close()


def webhook(body: bytes, lines: list[tuple[bytes, bytes]], *, chunked: bool = False) -> bytes:
    """A request as it goes over the wire."""
    length = b"Transfer-Encoding: chunked" if chunked else b"Content-Length: %d" % len(body)
    head = [b"POST /webhooks/haravan HTTP/1.1", b"Host: x", length, *(b"%s: %s" % line for line in lines)]
    sent = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body) if chunked and body else body
    return b"\r\n".join(head) + b"\r\n\r\n" + (b"0\r\n\r\n" if chunked and not body else sent)


def signed(body: bytes, topic: str, org: str) -> list[tuple[bytes, bytes]]:
    """The headers that Haravan would send."""
    return [
        (b"X-Haravan-Topic", topic.encode()),
        (b"X-Haravan-Org-Id", org.encode()),
        (b"X-Haravan-HmacSha256", signature(body).encode()),
    ]


def a_signed_webhook_is_acknowledged(wire: Wire, body: bytes, topic: str, org: str, more: list[tuple[bytes, bytes]], chunked: bool, last: bool) -> None:  # fmt: skip
    ending = [(b"Connection", b"close")] if last else []
    allowed = [line for line in more if line[0] != b"X-Haravan-Org-Id"]
    request = webhook(body, [*signed(body, topic, org), *allowed, *ending], chunked=chunked)

    status = wire.request(request)
    assert status == 200 or (status == 415 and not is_utf8(body))  # what nobody can read is refused


def any_webhook_is_acknowledged_or_refused(wire: Wire, body: bytes, more: list[tuple[bytes, bytes]]) -> None:
    assert wire.request(webhook(body, more)) in {200, 401}


def any_query_is_answered(wire: Wire, query: bytes) -> None:
    target = bytes(byte for byte in query if byte > 32 and byte not in b"#\x7f")

    assert wire.request(b"GET /webhooks/haravan?" + target + b" HTTP/1.1\r\nHost: x\r\n\r\n") in {
        200,
        400,
        401,
    }


def a_wrong_length_is_no_server_error(wire: Wire, body: bytes, length: int) -> None:
    head = b"POST /webhooks/haravan HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % length

    assert wire.send_only(head + body) < 500


def noise_is_no_server_error(wire: Wire, request: bytes, at: int, noise: bytes) -> None:
    place = at % (len(request) + 1)

    assert wire.send_only(request[:place] + noise + request[place:]) < 500


PIECES: Final[dict[Callable[..., None], dict[str, st.SearchStrategy[Any]]]] = {
    a_signed_webhook_is_acknowledged: {"body": BODIES, "topic": st.sampled_from(TOPICS), "org": ORGS, "more": MORE, "chunked": st.booleans(), "last": st.booleans()},
    any_webhook_is_acknowledged_or_refused: {"body": BODIES, "more": MORE},
    any_query_is_answered: {"query": st.binary(max_size=80) | st.binary(max_size=40).map(lambda raw: b"hub.mode=subscribe&hub.verify_token=" + raw)},
    a_wrong_length_is_no_server_error: {"body": BODIES, "length": st.integers(-5, 10**12) | st.integers(0, 50)},
    noise_is_no_server_error: {"request": st.just(webhook(b'{"id": 7}', signed(b'{"id": 7}', "customers/update", ORG))), "at": st.integers(0, 400), "noise": st.binary(max_size=30)},
}  # fmt: skip


@pytest.mark.parametrize("fact", PIECES, ids=lambda fact: fact.__name__.replace("_", " "))
def test_examples(wire: Wire, fact: Callable[..., None]) -> None:
    times(100)(given(**PIECES[fact])(lambda **sent: fact(wire, **sent)))()


@pytest.mark.slow
@pytest.mark.parametrize("fact", PIECES, ids=lambda fact: fact.__name__.replace("_", " "))
def test_many_examples(wire: Wire, fact: Callable[..., None]) -> None:
    times(4_000)(given(**PIECES[fact])(lambda **sent: fact(wire, **sent)))()
