"""Odd HTTP requests: the answers to each, in one piece and split at every byte.

A proxy and we must see the same requests in the same bytes, whatever packets they come in: otherwise one client's bytes
become part of another client's request.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from time import perf_counter
from typing import Final

from tests.hostile.edge import Edge, milliseconds_since
from tests.hostile.verdict import Verdict
from tests.support.http_client import BODY, chunked, webhook
from tests.support.sender import signature
from tests.support.shop import OTHER_ORG, OWN_SECRET

TABLE: Final = "HTTP requests"
MAX_SPLITS: Final = 600  # of one row, evenly spread; only rows with long headers have more bytes
AT_ONCE: Final = 50
HEALTH: Final = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
HOST: Final = "Host: x"


@dataclass(frozen=True, slots=True)
class Row:
    """The bytes that a client sends. `expected` has the statuses, then `closed` if the server hangs up."""

    name: str
    sent: bytes
    expected: str


def get(path: bytes, *headers: str, method: bytes = b"GET", version: bytes = b"HTTP/1.1") -> bytes:
    """A request without a body."""
    lines = [b"%b %b %b" % (method, path, version), *(line.encode("latin-1") for line in (HOST, *headers))]
    return b"\r\n".join(lines) + b"\r\n\r\n"


def post(*headers: str, body: bytes = BODY) -> bytes:
    """A signed webhook with these headers instead of its length."""
    return webhook(body, *headers, length=False)


def good_rows() -> Iterator[Row]:
    """Signed webhooks in the ways in which HTTP may say them."""
    signed = webhook()
    yield Row("a webhook", signed, "200")
    yield Row("two webhooks", signed * 2, "200 200")
    yield Row("an empty line in front", b"\r\n" + signed, "200")
    yield Row("five empty lines in front", b"\r\n" * 5 + signed, "200")
    yield Row("an empty line between two", signed + b"\r\n" + signed, "200 200")
    yield Row("names of headers in capitals", signed.replace(b"X-Haravan", b"X-HARAVAN"), "200")
    yield Row("names of headers in small letters", signed.replace(b"X-Haravan-HmacSha256", b"x-haravan-hmacsha256"), "200")  # fmt: skip
    yield Row("blanks around values", signed.replace(b"HmacSha256: ", b"HmacSha256: \t ").replace(b"=\r\n", b"= \t\r\n"), "200")  # fmt: skip
    yield Row("no blank before values", signed.removesuffix(BODY).replace(b": ", b":") + BODY, "200")
    yield Row("the old name of the signature", signed.replace(b"HmacSha256", b"Hmac-Sha256"), "200")
    yield Row("a trailing slash", webhook(start="POST /webhooks/haravan/ HTTP/1.1"), "200")
    yield Row("a query", webhook(start="POST /webhooks/haravan?a=%ff&b HTTP/1.1"), "200")
    yield Row("a letter of the path in percent form", webhook(start="POST /webhooks/%68aravan HTTP/1.1"), "200")  # fmt: skip
    yield Row("the absolute form", webhook(start="POST http://x/webhooks/haravan HTTP/1.1"), "200")
    yield Row("HTTP/1.0", webhook(start="POST /webhooks/haravan HTTP/1.0"), "200 closed")
    yield Row("the last of its connection", webhook(BODY, "Connection: close"), "200 closed")
    yield Row("bytes behind the last of its connection", webhook(BODY, "Connection: close") + b"zzz\r\n\r\n", "200 closed")  # fmt: skip
    yield Row("an upgrade to HTTP/2", webhook(BODY, "Connection: Upgrade", "Upgrade: h2c"), "200")
    yield Row("an upgrade to websockets", webhook(BODY, "Connection: Upgrade", "Upgrade: websocket"), "200")
    yield Row("an upgrade and one more", webhook(BODY, "Connection: Upgrade", "Upgrade: h2c") + signed, "200 200")  # fmt: skip
    yield Row("100-continue", webhook(BODY, "Expect: 100-continue"), "100 200")
    yield Row("chunked", chunked(BODY), "200")
    yield Row("chunked and one more", chunked(BODY) + signed, "200 200")
    yield Row("a chunk for each byte", post("Transfer-Encoding: chunked").removesuffix(BODY) + b"".join(b"1\r\n%c\r\n" % byte for byte in BODY) + b"0\r\n\r\n", "200")  # fmt: skip
    yield Row("a chunk with an extension", chunked(BODY).replace(b"\r\n{", b";a=b\r\n{", 1), "200")
    yield Row("a chunk's size with zeros in front", chunked(BODY).replace(b"\r\n1f\r\n", b"\r\n0001f\r\n"), "200")  # fmt: skip
    yield Row("chunked in capitals", chunked(BODY).replace(b": chunked", b": CHUNKED"), "200")
    yield Row("trailers", chunked(BODY, trailers="X-Haravan-Test: true\r\n"), "200")
    yield Row("an encoding that is none", webhook(BODY, "Content-Encoding: identity"), "200")
    yield Row("a hundred headers", webhook(BODY, *(f"X-More-{number}: a" for number in range(100))), "200")
    yield Row("a header of 50,000 bytes", webhook(BODY, "X-More: " + "a" * 50_000), "200")
    yield Row("a body that looks like a request", webhook(HEALTH), "200")
    yield Row("other requests around it", HEALTH + signed + HEALTH, "200 200 200")


def refused_rows() -> Iterator[Row]:
    """Requests that are HTTP and are refused."""
    signed = webhook()
    unsigned = webhook(signed="")
    yield Row("no signature", unsigned, "401")
    yield Row("no signature, and the body is withheld", unsigned[:-5], "401")
    yield Row("no signature, then a good one", unsigned + signed, "401 200")
    yield Row("no signature twice, then a good one", unsigned * 2 + signed, "401 401 200")
    yield Row("a good one between two without a signature", unsigned + signed + unsigned, "401 200 401")
    yield Row("no signature and 100-continue", webhook(BODY, "Expect: 100-continue", signed="").removesuffix(BODY), "401")  # fmt: skip
    yield Row("a wrong signature", webhook(signed=signature(b"x")), "401")
    yield Row("a wrong signature, and the body is withheld", webhook(signed=signature(b"x"))[:-5], "waits")
    yield Row("a signature in hexadecimal", webhook(signed="ab" * 32), "401")
    yield Row("another shop's secret", webhook(signed=signature(BODY, OWN_SECRET), org=OTHER_ORG), "401")
    yield Row("a signature in a trailer", chunked(BODY, trailers=f"X-Haravan-HmacSha256: {signature(BODY)}\r\n").replace(f"X-Haravan-HmacSha256: {signature(BODY)}\r\n".encode(), b"", 1), "401")  # fmt: skip
    yield Row("gzip", webhook(BODY, "Content-Encoding: gzip"), "415")
    yield Row("deflate", webhook(BODY, "Content-Encoding: deflate"), "415")
    yield Row("br, then a good one", webhook(BODY, "Content-Encoding: br") + signed, "415 200")
    yield Row("a length of 100 GB", post("Content-Length: 99999999999").removesuffix(BODY), "413 closed")
    yield Row("a length longer than the body", post(f"Content-Length: {len(BODY) + 1}"), "waits")
    yield Row("PUT", webhook(start="PUT /webhooks/haravan HTTP/1.1"), "405")
    yield Row("DELETE", get(b"/webhooks/haravan", method=b"DELETE"), "405")
    yield Row("a handshake without a token", get(b"/webhooks/haravan?hub.mode=subscribe"), "401")
    yield Row("a handshake with bytes that are no text", get(b"/webhooks/haravan?hub.mode=subscribe&hub.verify_token=%ff%00&hub.challenge=%0d%0aX:y"), "401")  # fmt: skip
    yield Row("the ops API's document without a token", get(b"/ops/openapi.json"), "401")
    yield Row("the document without a token, four times", get(b"/ops/openapi.json") * 4, "401 401 401 401")
    yield Row(
        "another kind of token, in other bytes", get(b"/ops/v1/shops", "Authorization: Basic \xe1\xff"), "401"
    )
    yield Row("HTTP/0.9", b"GET /nothing\r\n\r\n", "404 closed")
    yield Row("OPTIONS *", get(b"*", method=b"OPTIONS"), "404")
    yield Row("an unknown path", get(b"/nothing"), "404")
    yield Row("a path of 8,000 letters", get(b"/" + b"a" * 8_000), "404")
    yield Row("4,301 digits for a customer", get(b"/ops/v1/shops/1/dead-letters/" + b"9" * 4_301, method=b"DELETE"), "404")  # fmt: skip
    yield Row("a path with two slashes", webhook(start="POST //webhooks/haravan HTTP/1.1"), "404")
    yield Row("a path through a parent", webhook(start="POST /a/../webhooks/haravan HTTP/1.1"), "404")
    yield Row("a path in a broken percent form", get(b"/%zz%1"), "404")
    yield Row("a path of bytes that are no text", get(b"/%ff%fe%00"), "404")


def unknown_codings() -> Iterator[Row]:
    """Transfer codings besides chunked: nobody can say where such a body ends."""
    for codings in (
        ["gzip, chunked"],
        ["gzip", "chunked"],
        ["identity", "chunked"],
        ["gzip"],
        ["x-chunked"],
    ):
        lines = [f"Transfer-Encoding: {coding}" for coding in codings]
        sent = post(*lines).removesuffix(BODY) + b"%x\r\n%b\r\n0\r\n\r\n" % (len(BODY), BODY)
        name = f"transfer codings {' + '.join(codings)}"
        yield Row(name, sent, "501 closed")
        yield Row(f"{name}, behind a good one", webhook() + sent, "200 501 closed")
        yield Row(f"{name}, behind an unsigned one", webhook(signed="") + sent, "401 501 closed")


def broken_rows() -> Iterator[Row]:
    """Bytes that are no HTTP, or that two programs may read in two ways."""
    head = webhook().removesuffix(BODY)
    broken = {
        "no HTTP": b"zzz\r\n\r\n",
        "the start of TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(32),
        "HTTP/2 without asking": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "HTTP/3.0": get(b"/healthz", version=b"HTTP/3.0"),
        "an unknown method": get(b"/healthz", method=b"BREW"),
        "CONNECT": get(b"x:1", method=b"CONNECT"),
        "a blank in the path": get(b"/health z"),
        "a length and chunked": chunked(BODY, f"Content-Length: {len(BODY)}"),
        "two lengths": post("Content-Length: 5", f"Content-Length: {len(BODY)}"),
        "two equal lengths": post(*[f"Content-Length: {len(BODY)}"] * 2),
        "a list of lengths": post(f"Content-Length: {len(BODY)}, {len(BODY)}"),
        "a negative length": post("Content-Length: -1"),
        "a length with a sign": post(f"Content-Length: +{len(BODY)}"),
        "a length in hexadecimal": post("Content-Length: 0x1e"),
        "a length of 25 digits": post("Content-Length: " + "9" * 25),
        "a blank before the colon": head.replace(b"Host:", b"Host :"),
        "a header without a colon": head.replace(b"Host: x", b"Host x"),
        "a header without a name": head.replace(b"Host: x", b": x"),
        "a folded header": head.replace(b"Host: x", b"Host: x\r\n y"),
        "NUL in a header": head.replace(b"Host: x", b"Host: x\x00y"),
        "a carriage return in a header": head.replace(b"Host: x", b"Host: x\ry"),
        "brackets in a header's name": head.replace(b"Host:", b"Ho(st):"),
    }
    for codings in (
        "chunked, identity",
        "chunked, chunked",
        "",
    ):  # RFC 9112, 6.3: chunked must be the last one
        broken[f"transfer codings {codings or 'without a name'}"] = post(f"Transfer-Encoding: {codings}")
    for name, sent in broken.items():
        yield Row(name, sent, "400 closed")
    yield Row("no HTTP behind a good one", webhook() + b"zzz\r\n\r\n", "200 400 closed")
    yield Row("no HTTP behind two good ones", webhook() * 2 + b"zzz\r\n\r\n", "200 200 400 closed")
    yield Row("a body longer than its length", post("Content-Length: 5"), "401 400 closed")
    yield Row("a body without a length", post(), "401 400 closed")
    yield Row(
        "a chunk's size that is none", chunked(BODY).replace(b"\r\n1f\r\n", b"\r\nzz\r\n"), "400 closed"
    )
    yield Row("a chunk's size of 17 digits", chunked(BODY).replace(b"\r\n1f\r\n", b"\r\n" + b"f" * 17 + b"\r\n"), "400 closed")  # fmt: skip
    yield Row("a chunk longer than its size", chunked(BODY).replace(b"\r\n1f\r\n", b"\r\n1e\r\n"), "400 closed")  # fmt: skip
    yield Row("chunks without an end", chunked(BODY)[:-5], "waits")
    unsigned = chunked(BODY).replace(signature(BODY).encode(), b"x").replace(b"\r\n1f\r\n", b"\r\nzz\r\n")
    yield Row("no signature and a broken chunk", unsigned, "401 closed")
    yield Row("no signature and a broken chunk, behind a good one", webhook() + unsigned, "200 401 closed")
    yield Row(
        "no signature and a broken chunk, behind another", webhook(signed="") + unsigned, "401 401 closed"
    )


ROWS: Final = (*good_rows(), *refused_rows(), *unknown_codings(), *broken_rows())


async def run(edge: Edge, row: Row) -> Verdict:
    """Send the row in one piece, then split at each byte. Any other outcome of a split is shown with its place."""
    started_s = perf_counter()
    got = str(await edge.send(row.sent))
    took_ms = milliseconds_since(started_s)
    places = range(1, len(row.sent), max(1, len(row.sent) // MAX_SPLITS))
    for start in range(0, len(places), AT_ONCE):
        some = places[start : start + AT_ONCE]
        answers = await asyncio.gather(*(edge.send(row.sent[:at], row.sent[at:]) for at in some))
        differing = [f"{answer} if split at {at}" for at, answer in zip(some, answers, strict=True) if str(answer) != got]  # fmt: skip
        if differing:
            got = f"{got}, but {differing[0]} and {len(differing) - 1} more"
            break
    return Verdict(TABLE, row.name, row.expected, got, tuple(await edge.harmed()), took_ms)
