"""What an answer's headers say about the bucket, however they are spelled."""

from __future__ import annotations

import pytest
from multidict import CIMultiDict

from workers.haravan.allowance import Allowance, allowance
from workers.haravan.requests import Response


def of(status: int, **headers: str) -> Allowance:
    spelled = CIMultiDict({name.replace("_", "-"): value for name, value in headers.items()})
    return allowance(Response(status, spelled, b""))


@pytest.mark.parametrize(
    ("header", "used", "size"),
    [
        pytest.param("32/80", 32, 80, id="as-documented"),
        pytest.param("0/80", 0, 80, id="empty"),
        pytest.param("80/80", 80, 80, id="full"),
        pytest.param(" 32 / 80 ", 32, 80, id="spaces"),
        pytest.param("32.75/80", 32, 80, id="fraction"),
        pytest.param("100/400", 100, 400, id="larger-bucket"),
        pytest.param("", None, None, id="blank"),
        pytest.param("32", None, None, id="no-size"),
        pytest.param("-1/80", None, None, id="negative"),
        pytest.param("a/b", None, None, id="letters"),
        pytest.param("٣٢/٨٠", None, None, id="other-digits"),
        pytest.param("9999999999/80", None, None, id="absurd"),
    ],
)
def test_the_call_limit_is_read(header: str, used: int | None, size: int | None) -> None:
    assert of(200, X_Haravan_Api_Call_Limit=header) == Allowance(used=used, size=size)


def test_an_answer_without_headers_says_nothing() -> None:
    assert of(200) == Allowance()


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        pytest.param("2.0", 2.0, id="as-documented"),
        pytest.param("5", 5.0, id="whole"),
        pytest.param("0.5", 0.5, id="half"),
        pytest.param(" 3.0 ", 3.0, id="spaces"),
        pytest.param("60", 60.0, id="a-minute"),
        pytest.param("3600", 60.0, id="an-hour"),
        pytest.param("0", 2.0, id="zero"),
        pytest.param("-4", 2.0, id="negative"),
        pytest.param("nan", 2.0, id="nan"),
        pytest.param("inf", 2.0, id="infinite"),
        pytest.param("", 2.0, id="blank"),
        pytest.param("soon", 2.0, id="word"),
        pytest.param("Wed, 21 Oct 2026 07:28:00 GMT", 2.0, id="date"),
    ],
)
def test_retry_after_is_a_float_s_text_within_reason(header: str, seconds: float) -> None:
    assert of(429, Retry_After=header).retry_after_s == seconds


def test_a_429_without_retry_after_waits_two_seconds() -> None:
    assert of(429).retry_after_s == 2.0


def test_retry_after_of_another_answer_does_not_stop_the_shop() -> None:
    assert of(503, Retry_After="30").retry_after_s is None
