"""Every status and body leads to the right error, whose text has no personal data."""

from __future__ import annotations

import pytest

from service.domain.customers.customer import CustomerId
from service.errors import (
    AccessDenied,
    ApiUnavailable,
    CustomerNotFound,
    HaravanError,
    RateLimited,
    RequestRejected,
    TokenRejected,
)
from workers.haravan.calls import Request, Response
from workers.haravan.decoding import decode_tags
from workers.haravan.errors import MAX_SUMMARY_CHARS, parse_response, response_text, to_error

TAGS = Request("POST tags", "/customers/7/tags.json", json={"tags": "VIP"}, customer=CustomerId(7))
LIST = Request("GET customers", "/customers.json")
NEW = Request(
    "POST customers",
    "/customers.json",
    json={
        "customer": {
            "first_name": "Nguyễn Thị Ánh",
            "email": "anh@example.com",
            "phone": "0900000001",
            "addresses": [{"address1": "182 Lê Đại Hành"}],
        }
    },
)
SEARCH = Request("GET search", "/customers/search.json", {"query": "Trần Văn Bình"})


def response(status: int, body: bytes = b"", **headers: str) -> Response:
    return Response(status, {name.replace("_", "-"): value for name, value in headers.items()}, body)


@pytest.mark.parametrize(
    ("request_", "status", "error"),
    [
        pytest.param(LIST, 301, ApiUnavailable, id="moved"),
        pytest.param(LIST, 302, ApiUnavailable, id="redirected-to-a-login"),
        pytest.param(LIST, 304, ApiUnavailable, id="not-modified"),
        pytest.param(LIST, 400, RequestRejected, id="bad-request"),
        pytest.param(LIST, 401, TokenRejected, id="wrong-token"),
        pytest.param(LIST, 402, RequestRejected, id="unpaid-shop"),
        pytest.param(LIST, 403, TokenRejected, id="wrong-scope"),
        pytest.param(TAGS, 403, AccessDenied, id="this-customer-is-denied"),
        pytest.param(TAGS, 404, CustomerNotFound, id="no-such-customer"),
        pytest.param(LIST, 404, ApiUnavailable, id="no-such-address"),
        pytest.param(TAGS, 405, RequestRejected, id="wrong-method"),
        pytest.param(TAGS, 406, RequestRejected, id="not-acceptable"),
        pytest.param(TAGS, 408, ApiUnavailable, id="server-gave-up-waiting"),
        pytest.param(TAGS, 409, RequestRejected, id="conflict"),
        pytest.param(TAGS, 410, RequestRejected, id="endpoint-retired"),
        pytest.param(TAGS, 422, RequestRejected, id="unprocessable"),
        pytest.param(TAGS, 429, RateLimited, id="throttled"),
        pytest.param(TAGS, 500, ApiUnavailable, id="server-error"),
        pytest.param(TAGS, 502, ApiUnavailable, id="bad-gateway"),
        pytest.param(TAGS, 503, ApiUnavailable, id="maintenance"),
        pytest.param(TAGS, 504, ApiUnavailable, id="gateway-timeout"),
        pytest.param(TAGS, 599, ApiUnavailable, id="unheard-of"),
    ],
)
def test_a_status_becomes_its_error(request_: Request, status: int, error: type[HaravanError]) -> None:
    error_ = to_error(request_, response(status))

    assert type(error_) is error
    assert error_.status == status
    assert str(error_).startswith(f"{request_.endpoint} answered {status}")


@pytest.mark.parametrize(
    ("body", "text"),
    [
        pytest.param(
            b'{"errors": {"base": ["no name", "no e-mail"]}}', "base: no name; base: no e-mail", id="dict"
        ),
        pytest.param(b'{"errors": "Not Found"}', "Not Found", id="text"),
        pytest.param(b'{"errors": ["one", "two"]}', "one; two", id="list"),
        pytest.param(b'{"errors": {"tags": "too long"}}', "tags: too long", id="dict-of-text"),
        pytest.param(b'{"errors": {"a": {"b": {"c": {"d": "deep"}}}}}', "", id="deeper-than-is-read"),
        pytest.param(b'{"errors": {"a": {"b": ["deep"]}}}', "a: b: deep", id="nested"),
        pytest.param(b'{"error": "invalid_token"}', "invalid_token", id="singular"),
        pytest.param(b'{"error": true, "message": "no topic"}', "no topic", id="flag-and-message"),
        pytest.param(b'{"message": "Unauthorized"}', "Unauthorized", id="message"),
        pytest.param(
            b'{"Message": "An error has occurred."}', "Message: An error has occurred.", id="unknown-key"
        ),
        pytest.param(b'["one", {"two": 2}]', "one; two: 2", id="bare-list"),
        pytest.param(b'"a text"', "a text", id="bare-text"),
        pytest.param(b"42", "42", id="bare-number"),
        pytest.param(b"null", "", id="null"),
        pytest.param(b"{}", "", id="empty-dict"),
        pytest.param(b"[]", "", id="empty-list"),
        pytest.param(b"", "", id="empty"),
        pytest.param(b"  \r\n", "", id="blank"),
        pytest.param(b"<html><h1>502 Bad Gateway</h1></html>", "an HTML page", id="html"),
        pytest.param(b"\xef\xbb\xbf{}", "{}", id="byte-order-mark"),
        pytest.param(b"upstream timed out", "upstream timed out", id="plain-text"),
        pytest.param(b"\xff\xfe\x00", "\ufffd\ufffd", id="not-utf-8"),
        pytest.param(b'{"errors": "a\\u001b[31mb\\u202ec\\nd"}', "a[31mbc d", id="control-characters"),
        pytest.param(b'{"errors": "cut of', '{"errors": "cut of', id="cut-off"),
        pytest.param(b"[" * 5000, "[" * (MAX_SUMMARY_CHARS - 1) + "…", id="endlessly-nested"),
        pytest.param(b"a " * 400, "a " * (MAX_SUMMARY_CHARS // 2 - 1) + "a…", id="long"),
    ],
)
def test_the_summary_has_the_texts_of_any_error_body(body: bytes, text: str) -> None:
    assert response_text(TAGS, response(422, body)) == text


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        pytest.param(NEW, '{"errors": {"email": ["anh@example.com has already been taken"]}}', id="e-mail"),
        pytest.param(NEW, '{"errors": "Nguyễn Thị Ánh exists"}', id="name"),
        pytest.param(NEW, '{"errors": "NGUYỄN THỊ ÁNH exists"}', id="name-in-capitals"),
        pytest.param(NEW, '{"errors": "Ánh (Nguyễn) exists"}', id="name-in-pieces"),
        pytest.param(NEW, '{"errors": "182 Lê Đại Hành is no address"}', id="address"),
        pytest.param(NEW, '{"errors": "0900000001 is taken"}', id="phone"),
        pytest.param(SEARCH, '{"errors": "Trần Văn Bình not found"}', id="what-was-searched-for"),
    ],
)
def test_values_of_the_request_are_masked(request_: Request, message: str) -> None:
    text = to_error(request_, response(422, message.encode())).response_text.casefold()

    for secret in ("nguyễn", "ánh", "@", "0900", "lê đại hành", "trần", "bình"):
        assert secret not in text


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        pytest.param(
            '{"errors": {"email": ["Ánh is taken"], "base": ["x"]}}'.encode(), " (base, email)", id="keys"
        ),
        pytest.param('{"errors": {"Nguyễn Thị Ánh": ["taken"]}}'.encode(), "", id="a-name-as-key"),
        pytest.param(b'{"errors": {"anh@example.com": ["taken"]}}', "", id="an-e-mail-as-key"),
        pytest.param('{"errors": "Nguyễn Thị Ánh, 12 Lý Thường Kiệt"}'.encode(), "", id="text"),
        pytest.param(b'{"error": "invalid_token"}', " (invalid_token)", id="an-error-key"),
        pytest.param(b'{"error": "anh"}', "", id="a-word"),
        pytest.param(b"<html>B\xc3\xacnh</html>", " (an HTML page)", id="html"),
        pytest.param(b"", "", id="empty"),
    ],
)
def test_a_message_names_fields_and_never_has_the_text_of_a_body(body: bytes, fields: str) -> None:
    assert str(to_error(TAGS, response(422, body))) == f"POST tags answered 422{fields}"


@pytest.mark.parametrize(
    ("request_", "scope"),
    [(TAGS, "com.write_customers"), (LIST, "com.read_customers"), (Request("GET subscribe", ""), "wh_api")],
)
def test_a_403_names_the_scope_that_the_call_needs(request_: Request, scope: str) -> None:
    error = to_error(request_, response(403, b"{}"))

    assert isinstance(error, AccessDenied | TokenRejected)
    assert error.scope == scope


@pytest.mark.parametrize(
    ("message", "text"),
    [
        pytest.param("mail to binh@example.com failed", "mail to ••• failed", id="e-mail"),
        pytest.param("phone +84 900-000-002 is taken", "phone ••• is taken", id="phone"),
        pytest.param("token 0123456789abcdef0123456789abcdef", "token •••", id="token"),
        pytest.param("at most 255 characters", "at most 255 characters", id="a-limit-stays"),
    ],
)
def test_text_that_looks_like_personal_data_is_masked(message: str, text: str) -> None:
    assert response_text(TAGS, response(422, message.encode())) == text


@pytest.mark.parametrize(
    "body",
    [b"", b"null", b"[]", b'{"customers": []}', b'{"tags": 3}', b"<html></html>", b"\xff", b"[" * 100_000],
    ids=[
        "empty",
        "null",
        "list",
        "a-list-of-customers",
        "wrong-type",
        "html",
        "not-utf-8",
        "endlessly-nested",
    ],
)
def test_a_2xx_with_an_unexpected_body_is_unavailable(body: bytes) -> None:
    with pytest.raises(ApiUnavailable, match="not what the API promises") as caught:
        parse_response(TAGS, response(200, body), decode_tags)

    assert caught.value.status == 200


@pytest.mark.parametrize("status", [200, 201, 202, 204])
def test_every_2xx_is_a_success(status: int) -> None:
    assert parse_response(TAGS, response(status, b'{"tags": "VIP,a1"}'), decode_tags) == ("VIP", "a1")


@pytest.mark.parametrize(
    "body", [b'{"tags": null}', b'{"tags": ""}', b'{"tags": " , "}'], ids=["null", "empty", "blanks"]
)
def test_a_response_without_any_tag_is_valid(body: bytes) -> None:
    assert parse_response(TAGS, response(200, body), decode_tags) == ()


def test_a_429_says_how_long_to_wait() -> None:
    error = to_error(TAGS, response(429, b"", Retry_After="3.5"))

    assert isinstance(error, RateLimited)
    assert error.retry_after_s == 3.5
