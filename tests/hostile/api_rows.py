"""The rows of odd API answers: the answers that every endpoint may give, and those of one endpoint."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from tests.hostile.odd_api import FOREVER, Answer, Endpoint

RETRIED: Final = "retried, then right"
WAITS: Final = "waits, then right"
RIGHT: Final = "right"
PAUSED: Final = "shop paused (token_rejected), then right"
LEFT: Final = "left as it is, then right"
NO_TAGS: Final = "dead letter (missing), then right"
UNREAD: Final = "not read"  # in a list: the customer is read alone; alone: the read is repeated
BOMB_BYTES: Final = 16 * 2**20
HTML: Final = (("Content-Type", "text/html"),)


@dataclass(frozen=True, slots=True)
class Row:
    """Odd answers to the next `times` calls of `endpoint`. `expected`: the outcome then, and after later good answers.

    `impatient`: the client waits three seconds for an answer.
    """

    name: str
    endpoint: Endpoint
    answers: tuple[Answer, ...]
    expected: str
    times: int = 1
    impatient: bool = False


def _gzip(body: bytes) -> bytes:
    return gzip.compress(body, mtime=0)


def _bomb(body: bytes) -> bytes:
    return gzip.compress(body[:1] + b" " * BOMB_BYTES + body[1:], 9, mtime=0)


GZIP: Final = (("Content-Encoding", "gzip"),)

# answers that are no answer, whatever the endpoint: the call is retried
BROKEN: Final[dict[str, Answer]] = {
    "HTML with 200": Answer(b"<html>maintenance</html>", headers=HTML),
    "HTML as JSON": Answer(b"<!doctype html><p>login"),
    "nothing": Answer(b""),
    "204": Answer(status=204),
    "blanks": Answer(b" \r\n "),
    "null": Answer(b"null"),
    "a number": Answer(b"42"),
    "a text": Answer(b'"ok"'),
    "an empty object": Answer(b"{}"),
    "an empty list": Answer(b"[]"),
    "an error with 200": Answer(b'{"errors": "try again"}'),
    "cut JSON": Answer(encode=lambda body: body[: len(body) // 2] or b"{"),
    "fewer bytes than announced": Answer(b'{"tags": "VIP"} ', headers=(("Content-Length", "1000"),)),
    "nothing, then the connection closes": Answer(raw=b""),
    "half of a head": Answer(raw=b"HTTP/1.1 200 OK\r\nContent-Le"),
    "no HTTP": Answer(raw=b"SSH-2.0-OpenSSH_9.6\r\n\r\n"),
    "a redirection to elsewhere": Answer(b"", 302, (("Location", "https://evil.example/"),)),
    "a redirection to itself": Answer(b"", 307, (("Location", "/com/customers.json"),)),
    "a permanent redirection": Answer(b"", 301, (("Location", "https://apis.haravan.com/com"),)),
    "304": Answer(status=304),
    "status 000": Answer(b"{}", 0),
    "status 999": Answer(b"{}", 999),
    "status 600": Answer(b"{}", 600),
    "408": Answer(b"{}", 408),
    "500 with a traceback": Answer(b"Traceback (most recent call last):\n  ...", 500, HTML),
    "502 of a proxy": Answer(b"<html><h1>502 Bad Gateway</h1></html>", 502, HTML),
    "503 that says when": Answer(b"", 503, (("Retry-After", "Wed, 21 Oct 2015 07:28:00 GMT"),)),
    "520 of a proxy": Answer(b"<html>520</html>", 520, HTML),
    "599": Answer(b"\xff\xfe", 599),
    "a header of 100 KB": Answer(headers=(("X-Long", "x" * 100_000),)),
    "a header with a NUL": Answer(raw=b"HTTP/1.1 200 OK\r\nX-A: \0\r\nContent-Length: 2\r\n\r\n{}"),
    "two lengths": Answer(raw=b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 9\r\n\r\n{}"),
    "a negative length": Answer(raw=b"HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\n{}"),
    "a chunk whose size is no number": Answer(
        raw=b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n"
    ),
    "a chunk too few": Answer(raw=b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n"),
    "an encoding that nobody asked for": Answer(headers=(("Content-Encoding", "br"),)),
    "gzip that is none": Answer(headers=GZIP),
    "gzip that ends early": Answer(headers=GZIP, encode=lambda body: _gzip(body + b" " * 99)[:-12]),
    "a gzip bomb": Answer(headers=GZIP, encode=_bomb),
    "a gzip bomb of zeros": Answer(b"\0", headers=GZIP, encode=_bomb),
    "100,000 brackets": Answer(b"[" * 100_000),
    "100,000 braces": Answer(b'{"customer": ' * 100_000),
    "a megabyte of blanks": Answer(b" " * 1_000_000),
    "bytes that are no UTF-8": Answer(b"\xff\xfe\xfd"),
    "UTF-16": Answer(encode=lambda body: body.decode("utf-8", "replace").encode("utf-16")),
}

# answers that are good, although something about them is odd
GOOD: Final[dict[str, Answer]] = {
    "as text/plain": Answer(headers=(("Content-Type", "text/plain"),)),
    "as HTML": Answer(headers=HTML),
    "in a charset that does not exist": Answer(headers=(("Content-Type", "application/json; charset=x"),)),
    "with 201": Answer(status=201),
    "with 202": Answer(status=202),
    "with 206": Answer(status=206),
    "in gzip": Answer(headers=GZIP, encode=_gzip),
    "with cookies": Answer(headers=(("Set-Cookie", "a=b; Path=/"), ("Set-Cookie", "c=d"))),
    "with blanks around it": Answer(b"\r\n  {GOOD} \n"),
    "with a limit that is none": Answer(headers=(("X-Haravan-Api-Call-Limit", "nan/80"),)),
    "with a negative limit": Answer(headers=(("X-Haravan-Api-Call-Limit", "-5/80"),)),
    "with a limit of zero": Answer(headers=(("X-Haravan-Api-Call-Limit", "0/0"),)),
    "with a huge limit": Answer(headers=(("X-Haravan-Api-Call-Limit", "1/99999999999999999999"),)),
}

# 429: the whole shop waits, and no attempt counts
RATE_LIMITS: Final[dict[str, str | None]] = {
    "2.0 s": "2.0", "nan": "nan", "inf": "inf", "a negative time": "-5", "a date": "Fri, 31 Dec 2100 23:59:59 GMT",
    "a year": "31536000", "a number of 400 digits": "9" * 400, "nothing": "", "no header": None,
}  # fmt: skip


def _failures(
    endpoint: Endpoint, expected: str = RETRIED, *, every: int = 1, effect: bool = False
) -> Iterator[Row]:
    """The broken answers, or every second or third of them. With `effect` a write takes effect anyway."""
    lost = ", but it took effect" if effect else ""
    for name, answer in list(BROKEN.items())[::every]:
        better = BETTER.get((endpoint, name), expected)
        yield Row(f"{endpoint}: {name}{lost}", endpoint, (replace(answer, effect=effect),), better)


BETTER: Final = {
    ("list", "a gzip bomb"): RIGHT,  # each customer is read alone at once
    ("list", "a gzip bomb of zeros"): RIGHT,
    ("list", "UTF-16"): RIGHT,  # the lenient second reading knows it
    ("get", "UTF-16"): RIGHT,
}


def _good(endpoint: Endpoint, *, every: int = 1) -> Iterator[Row]:
    for name, answer in list(GOOD.items())[::every]:
        yield Row(f"{endpoint}: {name}", endpoint, (replace(answer, effect=True),), RIGHT)


def _rate_limits(endpoint: Endpoint, expected: str = WAITS, *, every: int = 1) -> Iterator[Row]:
    for name, value in list(RATE_LIMITS.items())[::every]:
        headers = (("Retry-After", value),) if value is not None else ()
        yield Row(f"{endpoint}: 429 with {name}", endpoint, (Answer(b"", 429, headers),), expected)


def _statuses(endpoint: Endpoint, expected: str, *statuses: int) -> Iterator[Row]:
    for status in statuses:
        answer = Answer(b'{"errors": {"base": ["Nguy\xe1\xbb\x85n Th\xe1\xbb\x8b"]}}', status)
        yield Row(f"{endpoint}: {status}", endpoint, (answer,), expected)


def _for_ever(endpoint: Endpoint, name: str, answer: Answer, expected: str) -> Row:
    return Row(f"{endpoint}: always {name}", endpoint, (answer,), expected, times=FOREVER)


def record_bytes(**fields: object) -> bytes:
    """A customer who is due for the tag, with these fields. Values that are bytes stand as they are."""
    known: dict[str, object] = {"id": b"{V}", "total_spent": 20_000_000.0, "tags": "Khách sỉ"}
    pairs = [
        b'"%s": %s' % (name.encode(), value if isinstance(value, bytes) else json.dumps(value).encode())
        for name, value in (known | fields).items()
        if value is not ...
    ]
    return b"{" + b", ".join(pairs) + b"}"


MARKS: Final = "e" + "\u0300\u0316" * 30_000

# one field of one record is odd: what a read of it leads to
FIELDS: Final[dict[str, tuple[bytes, str]]] = {
    "null": (b"null", UNREAD), "a number": (b"7", UNREAD), "a list": (b"[]", UNREAD), "a text": (b'"x"', UNREAD),
    "without an id": (record_bytes(id=...), UNREAD), "with id null": (record_bytes(id=None), UNREAD),
    "with id true": (record_bytes(id=True), UNREAD), "with id 0": (record_bytes(id=0), UNREAD),
    "with a negative id": (record_bytes(id=-7), UNREAD), "with an id of 40 digits": (record_bytes(id=b"9" * 40), UNREAD),
    "with a list as id": (record_bytes(id=[7]), UNREAD), "of somebody else": (record_bytes(id=b"{N}"), UNREAD),
    "of nobody": (record_bytes(id=7), UNREAD),
    "with its id as text": (record_bytes(id=b'"{V}"'), RIGHT),
    "with its id twice": (record_bytes(id=b'{V}, "id": {V}'), RIGHT),
    "with total_spent twice": (record_bytes(total_spent=b'5, "total_spent": 20000000.0'), RIGHT),
    "with unknown fields": (record_bytes(x={"y": [1, None]}), RIGHT),
    "with a name of 60,000 marks": (record_bytes(first_name=MARKS), RIGHT),
    "with half a character": (record_bytes(first_name=b'"\\ud83d"'), RIGHT),
    "with a control character": (record_bytes(note=b'"a\x01b"'), RIGHT),
    "with NaN in another field": (record_bytes(gender=b"NaN"), RIGHT),
    "with 5,000 digits in another field": (record_bytes(orders_count=b"9" * 5_000), RIGHT),
    "with 1e1000000 in another field": (record_bytes(orders_count=b"1e1000000"), RIGHT),
    "with a birthday that is none": (record_bytes(birthday="1990-02-29"), RIGHT),
    "with a list as a name": (record_bytes(first_name=["a"]), RIGHT),
    "with 1,000 addresses": (record_bytes(addresses=[{"city": "x"}] * 1_000), RIGHT),
    "with money as text": (record_bytes(total_spent="20000000.0000"), RIGHT),
    "with money in exponents": (record_bytes(total_spent=b"2e7"), RIGHT),
    "without money": (record_bytes(total_spent=...), LEFT), "with money null": (record_bytes(total_spent=None), LEFT),
    "with money 1e1000000": (record_bytes(total_spent="1e1000000"), LEFT),
    "with money as a huge number": (record_bytes(total_spent=b"1e1000000"), LEFT),
    "with money of 5,000 digits": (record_bytes(total_spent=b"9" * 5_000), LEFT),
    "with money in dots": (record_bytes(total_spent="20.000.000"), LEFT), "with money true": (record_bytes(total_spent=True), LEFT),
    "with a list as money": (record_bytes(total_spent=[]), LEFT), "with NaN money": (record_bytes(total_spent=b"NaN"), LEFT),
    "with infinite money": (record_bytes(total_spent=b"Infinity"), LEFT),
    "with every field null": (record_bytes(total_spent=None, tags=None, email=None, created_at=None, state=None), LEFT),
    "without tags": (record_bytes(tags=...), NO_TAGS), "with a list of tags": (record_bytes(tags=["Kh\u00e1ch s\u1ec9"]), NO_TAGS),
    "with a number as tags": (record_bytes(tags=5), NO_TAGS), "with a tag of 60,000 marks": (record_bytes(tags=MARKS), NO_TAGS),
    "with 5,000 tags": (record_bytes(tags=",".join(f"t{number}" for number in range(5_000))), RETRIED),
}  # fmt: skip


def _records() -> Iterator[Row]:
    """The odd records in a list, beside a good one, and alone."""
    neighbour = record_bytes(id=b"{N}")
    for name, (record, expected) in FIELDS.items():
        in_list = RIGHT if expected == UNREAD else expected  # who is not in a list is read alone
        body = b'{"customers": [' + record + b", " + neighbour + b"]}"
        yield Row(f"list: a record {name}", "list", (Answer(body),), in_list)
        alone = Answer(b'{"customer": ' + record + b"}")
        yield Row(f"get: a record {name}", "get", (alone,), RETRIED if expected == UNREAD else expected)


def _lists() -> Iterator[Row]:
    good, neighbour = record_bytes(), record_bytes(id=b"{N}")
    bodies = {
        "null as customers": (b'{"customers": null}', RETRIED),
        "an object as customers": (b'{"customers": {}}', RETRIED),
        "a text as customers": (b'{"customers": "{V}"}', RETRIED),
        "no envelope": (b"[" + good + b"]", RETRIED),
        "the envelope of one": (b'{"customer": ' + good + b"}", RETRIED),
        "nobody": (b'{"customers": []}', RIGHT),
        "only the other": (b'{"customers": [' + neighbour + b"]}", RIGHT),
        "customers that nobody asked for": (b'{"customers": [{"id": 7}, {"id": 8}]}', RIGHT),
        "a customer too many": (b'{"customers": [' + good + b", " + neighbour + b', {"id": 8}]}', RIGHT),
        "the customer twice": (b'{"customers": [' + good + b", " + good + b", " + neighbour + b"]}", RIGHT),
        "customers twice": (b'{"customers": [], "customers": [' + good + b", " + neighbour + b"]}", RIGHT),
        "a byte order mark": (b"\xef\xbb\xbf{GOOD}", RIGHT),
        "1,000 nulls": (b'{"customers": [' + b"null, " * 1_000 + b"null]}", RIGHT),
        "a record of 9 MiB": (b'{"customers": [' + record_bytes(note="x" * 9 * 2**20) + b"]}", RIGHT),
    }
    for name, (body, expected) in bodies.items():
        yield Row(f"list: {name}", "list", (Answer(body),), expected)


def _tag_answers() -> Iterator[Row]:
    """What a tag write may answer with 200."""
    for name, body, effect, expected in (
        ("null as tags", b'{"tags": null}', False, RETRIED),
        ("a list of tags", b'{"tags": ["VIP"]}', False, RETRIED),
        ("a number as tags", b'{"tags": 5}', False, RETRIED),
        ("tags without the new one", '{"tags": "Khách sỉ"}'.encode(), False, RETRIED),
        ("tags without the new one, which is there", '{"tags": "Khách sỉ"}'.encode(), True, RETRIED),
        ("another spelling", '{"tags": "khách SỈ, vip"}'.encode(), True, RIGHT),
        ("other tags as well", '{"tags": "Khách sỉ,VIP,Zalo"}'.encode(), True, RETRIED),
        ("a tag of 60,000 marks", json.dumps({"tags": MARKS}).encode(), True, RETRIED),
        ("tags twice", '{"tags": "x", "tags": "Khách sỉ,VIP"}'.encode(), True, RIGHT),
    ):
        yield Row(f"add: {name}", "add", (Answer(body, effect=effect),), expected)
    yield Row(
        "remove: tags that still have it", "remove", (Answer('{"tags": "Khách sỉ,VIP"}'.encode()),), RETRIED
    )
    yield Row("remove: nothing is left", "remove", (Answer(b'{"tags": ""}', effect=True),), RETRIED)


def _counts() -> Iterator[Row]:
    """The probe of a shop whose token was rejected: any count resumes it."""
    yield from _failures("count", PAUSED, every=7)
    yield from _statuses("count", PAUSED, 400, 401, 403, 404, 418, 500)
    yield from _rate_limits("count", PAUSED, every=4)
    for name, body, expected in (
        ("a count", b'{"count": 12}', WAITS),
        ("a count as text", b'{"count": "12"}', WAITS),
        ("null", b'{"count": null}', PAUSED),
        ("a list", b'{"count": [12]}', PAUSED),
    ):
        yield Row(f"count: {name} as the count", "count", (Answer(body),), expected)


def _updates() -> Iterator[Row]:
    """The older API: the whole tags are written with the record."""
    yield from _failures("update", every=6)
    yield from _good("update", every=4)
    yield from _statuses("update", RETRIED, 400, 403, 409, 418, 422, 520)
    yield from _statuses("update", WAITS, 404)
    yield from _rate_limits("update", every=4)
    for name, record, expected in (
        ("somebody else's record with the right tags", record_bytes(id=b"{N}", tags="Khách sỉ,VIP"), RETRIED),
        ("a record without tags", record_bytes(tags=...), RETRIED),
        ("a record with the old tags", record_bytes(), RETRIED),
    ):
        yield Row(f"update: {name}", "update", (Answer(b'{"customer": ' + record + b"}"),), expected)


def _lasting() -> Iterator[Row]:
    """Answers that stay: every customer gets an end, and the others their tags."""
    html, denied, other = Answer(b"<html>", headers=HTML), Answer(b"{}", 403), record_bytes(id=b"{N}")
    rejected = Answer(b'{"errors": {"base": ["no"]}}', 422)
    yield _for_ever("list", "HTML", html, RIGHT)
    yield _for_ever("list", "a gzip bomb", BROKEN["a gzip bomb"], RIGHT)
    yield _for_ever("list", "nobody", Answer(b'{"customers": []}'), RIGHT)
    yield _for_ever("list", "customers that nobody asked for", Answer(b'{"customers": [{"id": 7}]}'), RIGHT)
    for endpoint in ("get", "add"):
        yield _for_ever(endpoint, "HTML", html, "dead letter (unavailable), then right")
        yield _for_ever(endpoint, "500", Answer(b"", 500), "dead letter (unavailable), then right")
        yield _for_ever(endpoint, "422", rejected, "dead letter (rejected), then right")
        yield _for_ever(endpoint, "403", denied, "dead letter (denied), then right")
        yield _for_ever(endpoint, "418", Answer(b"", 418), "dead letter (rejected), then right")
        yield _for_ever(
            endpoint, "a gzip bomb", BROKEN["a gzip bomb"], "dead letter (unavailable), then right"
        )
    yield _for_ever(
        "get",
        "somebody else",
        Answer(b'{"customer": ' + other + b"}"),
        "dead letter (unavailable), then right",
    )
    yield _for_ever("get", "404", Answer(b"", 404), "left as it is, then right")
    yield _for_ever(
        "add", "the old tags", Answer('{"tags": "Khách sỉ"}'.encode()), "dead letter (undone:VIP)"
    )
    yield _for_ever("remove", "422", rejected, "dead letter (rejected), then right")
    yield _for_ever("update", "422", rejected, "dead letter (rejected), then right")


def _slow() -> Iterator[Row]:
    """Bytes that come one by one: the call ends at its time limit."""
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 9000\r\n\r\n{"
    for endpoint in ("list", "get", "add"):
        trickle = Answer(raw=head, trickle=True)
        yield Row(f"{endpoint}: a byte every 50 ms", endpoint, (trickle,), RETRIED, impatient=True)


ROWS: Final = (
    *_failures("list"), *_good("list"), *_rate_limits("list"), *_lists(),
    *_statuses("list", PAUSED, 401, 403), *_statuses("list", RETRIED, 400, 404, 405, 410, 418, 422, 451, 501),
    *_failures("get", every=2), *_good("get", every=3), *_rate_limits("get", every=3), *_statuses("get", PAUSED, 401),
    *_statuses("get", RETRIED, 400, 403, 405, 410, 418, 422, 451, 501), *_statuses("get", WAITS, 404),
    *_records(),
    *_failures("add", every=3), *_good("add", every=3), *_rate_limits("add", every=3),
    *_statuses("add", PAUSED, 401), *_statuses("add", RETRIED, 400, 403, 409, 413, 415, 418, 422), *_statuses("add", WAITS, 404),
    *_failures("remove", every=4, effect=True), *_rate_limits("remove", every=4), *_statuses("remove", RETRIED, 400, 403, 418, 422),
    *_tag_answers(), *_counts(), *_updates(), *_lasting(), *_slow(),
)  # fmt: skip
